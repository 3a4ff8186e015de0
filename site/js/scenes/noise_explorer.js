// The noise explorer: a cloud under the forward process, and what is left of a tracked point's class. One noise eps per
// point: as t rises, every point moves on its own curve x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps.

(function () {
  "use strict";
  const { CLASSES, GUIDED, color, plane, fixed, general, say } = cfgedu;
  const POINTS = 600, TRACKED_EPS = [-0.9, 0.7]; // the tracked point's own noise
  const EVERY = 5; // times from one point of a curve to the next: two pixels at most
  const PROBABILITIES = { y: [0, 1.15], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };

  function make() {
    const mixture = cfgedu.islands(), { K } = mixture, walks = {};
    const schedules = { linear: cfgedu.linear(), cosine: cfgedu.cosine() }, generator = cfgedu.seeded(1);
    const { x0, y } = cfgedu.draw(mixture, POINTS, generator), eps = generator.randn(2 * POINTS);

    /** x_t and p(y given x_t) of the tracked point at t = 0..T */
    function walk(name, label) {
      const schedule = schedules[name], own = mixture.label.map((k, j) => (k === label ? mixture.weight[j] : 0));
      const start = mixture.mean.subarray(2 * own.indexOf(Math.max(...own))).slice(0, 2);
      const path = Array.from(schedule.alphaBar, (_, t) => schedule.noise(Float64Array.from(start), t, TRACKED_EPS));
      const p = path.map((x, t) => cfgedu.posterior(mixture, x, schedule.alphaBar[t]));
      const seen = (_, t) => t % EVERY === 0, times = [...p.keys()].filter(seen);
      const curves = Array.from({ length: K }, (_, k) => times.flatMap((t) => [t, p[t][k]]));
      return { path, p, curves, trace: path.filter(seen).flatMap((x) => [...x]) };
    }

    return ({ t, schedule: name, label }) => {
      const schedule = schedules[name], a = schedule.alphaBar[t], key = `${name} ${label}`;
      walks[key] = walks[key] || walk(name, label);
      const { path, p, curves, trace } = walks[key], snr = t === 0 ? say("infinite") : general(a / (1 - a), 2);
      const chances = Array.from(p[t], (v) => fixed(v, 3)).join(", ");
      const text = say(
        "t = {t}: alpha-bar = {a:.4g}, SNR = {snr}; p(y | x_t) of the star, classes 0 to {last}: {chances}",
        { t, a, snr, last: K - 1, chances }
      );

      function draw([left, middle, right]) {
        const x = schedule.noise(x0, t, eps);
        for (let k = 0; k < K; k++) {
          left.dots(cfgedu.rowsOf(x, y, k), { color: color(k), radius: 1.5, alpha: 0.55 });
        }
        left.line([...trace.slice(0, 2 * Math.ceil(t / EVERY)), ...path[t]], { width: 1.3 });
        left.marks(path[t], "*", { color: color(label), size: 10, edge: GUIDED });
        left.title(`$x_t$ at t = ${t}, ${name}`);
        left.frame();
        cfgedu.classBars(middle, p[t], mixture.prior);
        middle.frame();
        for (let k = 0; k < K; k++) {
          right.line([0, mixture.prior[k], schedule.T, mixture.prior[k]], { color: color(k), dash: [4, 3], width: 1 });
          right.line(curves[k], { color: color(k), width: 2 });
        }
        right.line([t, 0, t, 1.15], { width: 1 });
        p[t].forEach((chance, k) => right.dots([t, chance], { color: color(k), radius: 3.5, edge: GUIDED }));
        right.frame();
      }
      return { text, draw, found: { p: p[t], a } };
    };
  }

  cfgedu.scenes.noise_explorer = {
    make,
    goal: {
      words: say("Find the time at which the star of class 1 loses its lead."),
      reached: ({ label }, { p }) => label === 1 && Math.abs(p[1] - Math.max(p[0], p[2])) < 0.005,
      hint: ({ label }, { p }) => {
        const lead = p[1] - Math.max(p[0], p[2]);
        return label !== 1 ? say("Choose the star of class 1.") : lead > 0 ? (
          say("Its own class leads by {lead:.3f}: try a later t.", { lead })
        ) : say("Another class leads by {lead:.3f}: try an earlier t.", { lead: -lead });
      },
      told: (state, { a }) => say(
        "There alpha-bar is {a:.3f}. The other schedule has this level at another time, and the same happens there: " +
          "levels matter, not times.",
        { a }
      ),
    },
    panels: [
      plane({ xlabel: "$x_1$", ylabel: "$x_2$" }),
      {
        ...PROBABILITIES, x: [-0.6, 2.6], xticks: [0, 1, 2], ratio: 0.5, title: "$p(y|x_t)$ now", xlabel: "class y",
        legend: [{ label: "prior $p(y)$", color: GUIDED }],
      },
      {
        ...PROBABILITIES, x: [0, 1000], xticks: [0, 250, 500, 750, 1000], xlabel: "time t",
        title: "$p(y|x_t)$ on the way; dashed: prior",
        legend: [0, 1, 2].map((k) => ({ label: `class ${k}`, color: CLASSES[k] })),
      },
    ],
  };
})();
