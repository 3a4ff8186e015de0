// Training, live: the error of g over the steps of a run, and its arrows beside the exact ones. A run trains in slices
// of a few milliseconds, with as much time for the page between them; what its pictures need is kept.

(function () {
  "use strict";
  const { say } = cfgedu;
  const STEPS = 1200, UNIT = 10, BATCH = 128; // of a run; from picture to picture; samples a step
  const SLICE = 8; // ms that training may take at a time
  const T = 150, LABEL = 0; // of the arrows
  const TIMES = 33, POINTS = 16 * TIMES; // test points, those of a batch at these times in turn
  const KEPT = 30; // runs

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), exact = cfgedu.denoiser(mixture, schedule).pair;
    const { x0, y } = cfgedu.draw(mixture, POINTS, cfgedu.seeded(7)), eps = cfgedu.seeded(8).randn(2 * POINTS);
    const t = Int32Array.from({ length: POINTS }, (_, i) => 10 + 30 * (i % TIMES)), when = (i) => t[i >> 1];
    const x = x0.map((u, i) => schedule.signal[when(i)] * u + schedule.noiseLevel[when(i)] * eps[i]);
    const points = cfgedu.places(), outlines = cfgedu.outlinesOf(mixture)(schedule.alphaBar[T], LABEL);
    const trainer = cfgedu.trainer(mixture, schedule, { batch: BATCH }), runs = new Map();
    let run = null, pending = null;

    /** eps_un - eps_cond, g in score units times the noise level, at the test points and at the arrows. */
    const g = (pair) => [[x, t, y], [points, T, LABEL]].map((place) => {
      const [un, cond] = pair(...place);
      return un.map((u, i) => u - cond[i]);
    });
    const [right, field] = g(exact), signal = cfgedu.mean(right.map((u) => u * u)), longest = cfgedu.longestOf(field);

    /** The averaged network of the run as it stands, in numbers and arrows. */
    function measured(steps, dropped) {
      const [mine, arrows] = g(cfgedu.nullPair(trainer.model));
      return { steps, dropped, arrows, error: cfgedu.mean(mine.map((u, i) => (u - right[i]) ** 2)) };
    }

    /** The run of these values, from its beginning where it is not known far enough. */
    function runOf(rate, seed, steps) {
      const key = `${rate} ${seed}`, known = runs.get(key);
      if (known && (known === run || known.frames.length > steps / UNIT)) {
        return known;
      }
      trainer.begin(seed);
      run = { rate, frames: [measured(0, 0)] };
      runs.delete(key);
      runs.set(key, run);
      if (runs.size > KEPT) {
        runs.delete(runs.keys().next().value); // the oldest
      }
      return run;
    }

    const pause = (ms) => new Promise((done) => setTimeout(done, ms));

    /** Trains the run to its next picture; it ends early where another run has begun. */
    async function onwards() {
      const mine = run, { rate, frames } = mine;
      let { steps, dropped } = frames.at(-1);
      for (const next = steps + UNIT; steps < next && mine === run;) {
        const began = performance.now();
        while (steps < next && performance.now() - began < SLICE) {
          dropped += trainer.step(rate).dropped;
          steps += 1;
        }
        await pause(performance.now() - began);
      }
      if (mine === run) {
        frames.push(measured(steps, dropped));
      }
      pending = null;
    }

    return ({ p_drop: rate, steps, seed }) => {
      const { frames } = runOf(rate, seed, steps), shown = frames.slice(0, steps / UNIT + 1), now = shown.at(-1);
      const share = now.error / signal;
      const text = say(
        "p_drop = {p_drop:g}, seed {seed}, step {step} of {all}: {samples} samples seen, {dropped} of them without " +
          "their label. Mean squared error of g: {error:.2g}, which is {share:.2g} times the signal of {signal:.2g}",
        {
          p_drop: rate, seed, step: now.steps, all: STEPS, samples: BATCH * now.steps, dropped: now.dropped,
          error: now.error, share, signal,
        },
      );

      function draw([left, middle, curve]) {
        [[left, field], [middle, now.arrows]].forEach(([panel, arrows]) => (
          cfgedu.showField(panel, points, arrows, outlines, LABEL, longest)
        ));
        const past = shown.flatMap(({ steps: at, error }) => [at, error]);
        cfgedu.showError(curve, [0, signal, STEPS, signal], past, [now.steps, now.error], share);
      }

      if (now.steps === steps) {
        return { text, draw, found: { share } };
      }
      pending = pending || onwards();
      return { text, draw, found: null, later: pending };
    };
  }

  cfgedu.scenes.training = {
    make,
    follow: (name) => (name === "steps" ? {} : { steps: 0 }), // another network begins at its beginning
    goal: {
      words: say(
        "With p_drop = 0 the error of g ends above the signal. Predict first: is it above the signal from the start, " +
          "or does training take it there? Set p_drop to 0, and train to the end.",
      ),
      reached: ({ p_drop: rate, steps }, { share }) => rate === 0 && steps === STEPS && share > 1,
      hint: ({ p_drop: rate }, { share }) => (
        rate > 0 ? say("With dropped labels the error is {share:.2g} times the signal. Set p_drop to 0.", { share }) : (
          say("At this step the error is {share:.2g} times the signal. Train to step {all}.", { share, all: STEPS })
        )
      ),
      told: (_, { share }) => say(
        "Training takes it there: from g = 0, whose error is the signal itself, to {share:.2g} times the signal. In " +
          "training the network is never asked without a label, so nothing corrects what it answers then.",
        { share },
      ),
    },
    panels: cfgedu.fieldPanels([-2, -1, 0], {
      x: [-20, STEPS + 20], y: [3e-3, 2], xlabel: "training step", xticks: [0, 400, 800, 1200],
    }),
  };
})();
