// Tilted against guided: the density that guidance is said to sample, beside the clouds that two samplers make.

(function () {
  "use strict";
  const { GUIDED, INK, LIM, color, grid, plane, highest, fixed, say } = cfgedu;
  const POINTS = 160, STEPS = 32, PIXELS = 51, LEVELS = [0.02, 0.25, 0.7]; // fractions of the tilted density's peak
  const THIRD = {
    DDPM: cfgedu.ddpmStep,
    "Euler-Maruyama": cfgedu.eulerMaruyamaStep,
    "DDIM, eta = 0.5": (...given) => cfgedu.ddimStep(...given, 0.5),
  };

  /** A step that takes one half of the points by each of two samplers, for half the calls of the model. */
  function sideBySide(first, second) {
    return (x, eps, aT, aS, z) => {
      const n = x.length / 2, both = new Float64Array(2 * n);
      [first, second].forEach((step, k) => {
        const [ownX, ownEps, ownZ] = [x, eps, z].map((part) => part.subarray(k * n, (k + 1) * n));
        both.set(step(ownX, ownEps, aT, aS, ownZ), k * n);
      });
      return both;
    };
  }

  /** The unit vector from the origin to the heaviest component of a class. */
  function mainAxis(mixture, label) {
    const own = mixture.label.map((k, j) => (k === label ? mixture.weight[j] : 0));
    const [u, v] = mixture.means[own.indexOf(Math.max(...own))], length = Math.hypot(u, v);
    return [u / length, v / length];
  }

  /** The points on the axis's side of the origin, as coordinates along the axis and across it: mean and variance. */
  function measured(x, [u, v]) {
    const along = [], across = [], total = (values, centre) => values.reduce((sum, w) => sum + (w - centre) ** 2, 0);
    for (let i = 0; i < x.length; i += 2) {
      if (x[i] * u + x[i + 1] * v > 0) {
        along.push(x[i] * u + x[i + 1] * v);
        across.push(x[i + 1] * u - x[i] * v);
      }
    }
    const mean = [along, across].map(cfgedu.mean);
    return { mean, variance: [along, across].map((part, d) => total(part, mean[d]) / (part.length - 1)) };
  }

  /** The outline two standard deviations from the mean. */
  function ellipse({ mean, variance }, [u, v]) {
    return Array.from({ length: 61 }, (_, k) => {
      const turn = 2 * Math.PI * k / 60;
      const a = mean[0] + 2 * Math.sqrt(variance[0]) * Math.cos(turn);
      const b = mean[1] + 2 * Math.sqrt(variance[1]) * Math.sin(turn);
      return [a * u - b * v, a * v + b * u];
    }).flat();
  }

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), pixels = grid(PIXELS), { K } = mixture;
    const pair = cfgedu.nullPair(cfgedu.denoiser(mixture, schedule)), times = cfgedu.evenAngles(schedule, STEPS);
    const one = cfgedu.seeded(190).randn(2 * POINTS), start = Float64Array.of(...one, ...one);
    const noise = cfgedu.replayed(3);
    const { x0: candidates, y: labels } = cfgedu.draw(mixture, 20 * POINTS, cfgedu.seeded(16));
    const coin = cfgedu.seeded(11).rand(labels.length), posterior = cfgedu.posterior(mixture, candidates);
    const outlinesOf = Array.from({ length: K }, (_, label) => {
      const clean = cfgedu.logProb(mixture, pixels, label);
      const seen = cfgedu.posteriorOf(mixture, pixels, 1, label).map(Math.log);
      return (r) => {
        const log = clean.map((p, k) => p + (r - 1) * seen[k]), top = highest(log);
        const tilted = log.map((p) => Math.exp(p - top));
        return LEVELS.map((level) => cfgedu.contour(tilted, PIXELS, level));
      };
    });

    /** The first draws from a class that a coin keeps, with the probability p(label given x)^(r - 1). */
    function accepted(r, label) {
      const kept = [];
      for (let i = 0; i < labels.length && kept.length < 2 * POINTS; i++) {
        if (labels[i] === label && coin[i] < posterior[K * i + label] ** (r - 1)) {
          kept.push(candidates[2 * i], candidates[2 * i + 1]);
        }
      }
      return kept;
    }

    return ({ r, label, sampler }) => {
      const step = sideBySide(cfgedu.ddimStep, THIRD[sampler]);
      const x = cfgedu.sample(step, cfgedu.guided(pair, r), schedule, start, label, times, noise());
      const clouds = [accepted(r, label), x.subarray(0, 2 * POINTS), x.subarray(2 * POINTS)];
      const axis = mainAxis(mixture, label);
      const islands = clouds.map((cloud) => measured(cloud, axis));
      const [tilted, ddim, other] = islands.map(({ mean, variance }) => (
        `${fixed(mean[0], 2)}; ${fixed(variance[0], 3)}, ${fixed(variance[1], 3)}`
      ));
      const text = say(
        "r = {r:.2f}, class {label}. Near island, mean distance; variance along, across: tilted {tilted} | " +
          "DDIM {ddim} | {sampler} {other}",
        { r, label, tilted, ddim, sampler, other }
      );

      function draw(panels) {
        const outlines = outlinesOf[label](r);
        panels.forEach((panel, k) => {
          const { mean, variance } = islands[k], row = [["mean", mean[0], 2], ["var along", variance[0], 3],
            ["var across", variance[1], 3]];
          outlines.forEach((lines) => panel.areas(lines, { color: color(label), alpha: 0.22 }));
          panel.dots(clouds[k], { radius: 1.3, alpha: 0.45 });
          panel.line(ellipse(islands[k], axis), { width: 1.8 });
          panel.title(["tilted density", "guidance, DDIM", `guidance, ${sampler}`][k]);
          row.forEach(([name, value, digits], column) => {
            const place = (column - 1) * 1.75;
            const below = (pixels) => -LIM - pixels * 2 * LIM / panel.box.height; // of the frame; clear of its ticks
            panel.text(place, below(32), name, { align: "center", fill: INK });
            panel.text(place, below(45), fixed(value, digits), { align: "center", fill: GUIDED });
          });
          panel.frame();
        });
      }
      return { text, draw, found: { across: islands.map(({ variance }) => variance[1]) } };
    };
  }

  cfgedu.scenes.tilted_against_guided = {
    make,
    goal: {
      words: say("Find the scale at which the three clouds are equally wide across, to within a quarter."),
      reached: (state, { across }) => Math.max(...across) < 1.25 * Math.min(...across),
      hint: (state, { across: [tilted, ddim] }) => (
        say("The variance across is {tilted:.3f} for the tilted density and {ddim:.3f} with DDIM.", { tilted, ddim })
      ),
      told: () => say("Only r = 1 does that. Above it the tilted density stays wide, and the guided clouds do not."),
    },
    panels: [plane({ ylabel: "$x_2$", below: 46 }), plane({ below: 46 }), plane({ below: 46 })],
  };
})();
