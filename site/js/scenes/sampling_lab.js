// The sampling lab: a guided cloud under any scale, sampler, number of steps and interval, measured.

(function () {
  "use strict";
  const { UN, GUIDED, color, grid, plane, fixed, percent, say } = cfgedu;
  const POINTS = 300, TRACKED = 10, REFERENCE = 200; // dots, how many draw their path, points behind the grey curve
  const SCALES = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8], CURVE_STEPS = 50, PIXELS = 101; // of the grey curve; of the support
  const WINDOW = 3.4; // of the left-hand picture, wider than elsewhere: strong guidance leaves the data
  const SPREADS = [0.1, 1.6], ACCURACIES = [0.01, 0.9999], HEIGHT = [0.007, 0.99996]; // of the right-hand picture
  const WIDTH = [0.092, 1.74]; // of its axis of spreads: room for all of a dot that is on the edge
  const EXACT = "exact scores", NETWORKS = { "network 1": "lab-1", "network 2": "lab-2", "network 3": "lab-3" };
  const MARKS = [0.02, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999];

  const within = (value, [low, high]) => Math.min(Math.max(value, low), high);

  function make(networks) {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear();
    const exact = cfgedu.nullPair(cfgedu.denoiser(mixture, schedule));
    const pairs = { [EXACT]: exact }, start = cfgedu.seeded(2).randn(2 * POINTS), noise = cfgedu.replayed(3);
    const data = cfgedu.draw(mixture, 20000, cfgedu.seeded(8)), known = {}, curves = {}, pixels = grid(PIXELS, WINDOW);
    const window = [-WINDOW, WINDOW, -WINDOW, WINDOW];
    Object.entries(NETWORKS).forEach(([name, file]) => (pairs[name] = cfgedu.nullPair(cfgedu.mlp(networks[file]))));

    /** The edge of a class's support, its outlines, and spread and accuracy of its data. */
    function classOf(label) {
      if (!known[label]) {
        const x = cfgedu.rowsOf(data.x0, data.y, label), lowest = cfgedu.edgeOfSupport(mixture, x, label);
        const outlines = cfgedu.contour(cfgedu.logProb(mixture, pixels, label), PIXELS, lowest, window);
        const home = [cfgedu.spread(mixture, x, label), cfgedu.meanPosterior(mixture, x, label)];
        known[label] = { lowest, outlines, home };
      }
      return known[label];
    }

    /** [spread, accuracy] of the grey curve, of exact scores, at each of SCALES. */
    function curve(sampler, label) {
      const key = `${sampler} ${label}`, one = start.subarray(0, 2 * REFERENCE), n = SCALES.length;
      if (!curves[key]) {
        const scales = Float64Array.from({ length: n * REFERENCE }, (_, i) => SCALES[Math.floor(i / REFERENCE)]);
        const many = Float64Array.from({ length: n * one.length }, (_, i) => one[i % one.length]);
        const draw = cfgedu.seeded(3).randn, step = cfgedu.SAMPLERS[sampler];
        const x = cfgedu.sample(step, cfgedu.guided(exact, scales), schedule, many, label, CURVE_STEPS, draw);
        curves[key] = SCALES.map((_, k) => {
          const cloud = x.subarray(k * one.length, (k + 1) * one.length);
          return [cfgedu.spread(mixture, cloud, label), cfgedu.meanPosterior(mixture, cloud, label)];
        });
      }
      return curves[key];
    }

    return ({ model: name, sampler, r, steps, label, high, low }) => {
      const step = cfgedu.SAMPLERS[sampler], guided = cfgedu.guided(pairs[name], cfgedu.within(r, low, high));
      const states = cfgedu.trajectory(step, guided, schedule, start, label, steps, noise()), x = states[steps];
      const { lowest, outlines, home } = classOf(label), log = cfgedu.logProb(mixture, x, label);
      const share = cfgedu.mean(log.map((value) => (value < lowest ? 1 : 0)));
      const width = cfgedu.spread(mixture, x, label), hit = cfgedu.meanPosterior(mixture, x, label);
      const where = low === 0 && high >= schedule.T ? say("at all t") : (
        say("for {low} < t <= {high}, 1 elsewhere", { low, high })
      );
      const values = { hit, data_hit: home[1], width, data_width: home[0], share };
      const text = say(
        "{model}, {sampler}, {steps} steps, class {label}, r = {r:.2f} {where}: accuracy {hit:.3f} (data " +
          "{data_hit:.3f}), spread {width:.3f} (data {data_width:.3f}), off support {share:.1%} (data 1.0%)",
        { model: say(name), sampler, steps, label, r, where, ...values }
      );

      function draw([left, right]) {
        left.areas(outlines, { color: color(label), alpha: 0.13, edge: color(label) });
        for (let k = 0; k < TRACKED; k++) {
          left.line(states.flatMap((state) => [state[2 * k], state[2 * k + 1]]), { color: UN, width: 0.8, alpha: 0.6 });
        }
        left.dots(x.filter((_, i) => log[i >> 1] >= lowest), { color: color(label), radius: 1.6, alpha: 0.6 });
        left.marks(x.filter((_, i) => log[i >> 1] < lowest), "x", { size: 2.5, width: 1 });
        left.title(`r = ${fixed(r, 2)}, off support ${percent(share, 1)}`);
        left.frame();
        const line = curve(sampler, label).flatMap(([u, p]) => [u, within(p, ACCURACIES)]);
        right.line(line, { color: UN });
        right.dots(line, { color: UN, radius: 2 });
        right.marks(home, "*", { color: "#FFFFFF", edge: GUIDED, size: 9 });
        right.dots([within(width, SPREADS), within(hit, ACCURACIES)], { radius: 4.5 });
        right.frame();
      }
      return { text, draw, found: { share, width, hit, home } };
    };
  }

  cfgedu.scenes.sampling_lab = {
    make,
    goal: {
      words: say(
        "With exact scores, at r = 8 and guided at all times, throw more than a third of the cloud off its support.",
      ),
      reached: ({ model, r, low, high }, { share }) => (
        model === EXACT && r === 8 && low === 0 && high === 1000 && share > 1 / 3
      ),
      hint: ({ model, r, low, high }, { share }) => (
        model !== EXACT ? say("A network errs too: choose exact scores.") : r !== 8 ? say("Set r to 8.") : (
          low > 0 || high < 1000 ? say("Guide from t = 1000 down to 0.") : (
            say("{share:.0%} lie off it: try fewer steps, and the other samplers.", { share })
          )
        )
      ),
      told: () => say("A large r with few steps is too much for a sampler with noise. How many does DDIM lose?"),
    },
    panels: [
      plane({ xlabel: "$x_1$", ylabel: "$x_2$" }, WINDOW),
      {
        x: WIDTH, y: HEIGHT, xscale: Math.log, yscale: (p) => Math.log(p / (1 - p)), ratio: 1.05,
        xticks: [0.1, 0.2, 0.4, 0.8, 1.6], yticks: MARKS, wide: 18, title: "accuracy against spread",
        xlabel: "spread within the islands", ylabel: "accuracy: mean $p$($y|x$)",
        legend: [
          { label: "exact, r = 0 to 8", form: "line-dot", color: UN, size: 2.5, width: 1.2 },
          { label: "data", form: "*", fill: "#FFFFFF", edge: GUIDED, size: 7 },
          { label: "this cloud", form: "dot", color: GUIDED },
        ],
      },
    ],
  };
})();
