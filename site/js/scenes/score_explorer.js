// The score explorer: the exact score as arrows over the log-density of x_t, and the same prediction read as an x_0.
// Arrows are scaled to the longest one, whose length the readout tells. There are none where the log-density is DEPTH
// below its peak or lower: no data come there.

(function () {
  "use strict";
  const { NULL, GUIDED, INK, rgb, grid, plane, highest, fixed, say } = cfgedu;
  const WORLDS = { islands: "islands", "two Gaussians": "twoGaussians", spirals: "spirals", branches: "branches" };
  const ARROWS = 15, PIXELS = 71, LONGEST = 0.55, DEPTH = 7;
  const BELIEF = "#56B4E9", MEAN = "#F0E442"; // p(x_0 given x_t), its mean

  /** From 0 to 1: white where the log-density lies DEPTH below its peak. */
  function grey(log) {
    const top = highest(log);
    return log.map((value) => 1 - 0.45 * Math.max(0, 1 + (value - top) / DEPTH));
  }

  function make() {
    const schedule = cfgedu.linear(), points = grid(ARROWS), pixels = grid(PIXELS), worlds = {};
    let last = {};

    function world(name) {
      if (!worlds[name]) {
        const mixture = cfgedu[WORLDS[name]](), logClean = cfgedu.logProb(mixture, pixels, NULL);
        const model = cfgedu.denoiser(mixture, schedule);
        worlds[name] = { mixture, logClean, model, clean: grey(logClean), peak: highest(logClean) };
      }
      return worlds[name];
    }

    /** What does not depend on the point: it is kept while the point moves. */
    function fieldAt(t, data) {
      if (last.t !== t || last.data !== data) {
        const { mixture, model } = world(data), a = schedule.alphaBar[t];
        const logNoisy = cfgedu.logProb(mixture, pixels, NULL, a), low = highest(logNoisy) - DEPTH;
        const score = schedule.score(points, t, model(points, t, NULL));
        const inside = Array.from(cfgedu.logProb(mixture, points, NULL, a), (log) => log > low);
        const longest = highest(inside.map((on, i) => (on ? Math.hypot(score[2 * i], score[2 * i + 1]) : 0)));
        const noisy = grey(logNoisy), paint = (k, pixel) => pixel.fill(255 * noisy[k]);
        last = { t, data, low, score, inside, longest, paint };
      }
      return last;
    }

    return ({ t, data, px, py }) => {
      const { mixture, model, logClean, clean } = world(data), field = fieldAt(t, data);
      const a = schedule.alphaBar[t], x = Float64Array.of(px, py), eps = model(x, t, NULL);
      const score = schedule.score(x, t, eps), x0 = schedule.x0(x, t, eps), v = schedule.v(x, t, eps);
      const inside = cfgedu.logProb(mixture, x, NULL, a)[0] > field.low;
      const longest = Math.max(field.longest, inside ? Math.hypot(...score) : 0);
      const four = { score, eps, x0, v };
      const told = Object.entries(four).map(([name, [u, w]]) => `${name} = (${fixed(u, 2)}, ${fixed(w, 2)})`);
      const text = say(
        "t = {t} (signal level {a:.3f}), longest arrow {longest:.2g}; at x_t = ({px:.2f}, {py:.2f}): {told}",
        { t, a, longest, px, py, told: told.join(", ") }
      );

      function draw([left, right]) {
        left.image(PIXELS, field.paint);
        const shown = field.score.map((s, i) => (field.inside[i >> 1] ? s * LONGEST / longest : NaN));
        left.arrows(points, shown, { color: INK, width: 1.6 });
        if (inside) {
          left.arrows(x, score.map((s) => s * LONGEST / longest), { width: 4, head: 2.6 });
        }
        left.dots(x, { color: "#FFFFFF", radius: 4.5, edge: GUIDED });
        left.title(`score over log $p_t$, t = ${t}`);
        left.frame();

        // Bayes: log p(x_0 given x_t) = log p(x_0) - |x_t - sqrt(a) x_0|^2 / (2 (1 - a)) + constant
        const root = Math.sqrt(a), log = logClean.map((value, k) => (
          value - ((px - root * pixels[2 * k]) ** 2 + (py - root * pixels[2 * k + 1]) ** 2) / (2 * (1 - a))
        ));
        const top = highest(log), blue = rgb(BELIEF);
        right.image(PIXELS, (k, pixel) => {
          const belief = 0.9 * Math.exp(log[k] - top), pale = 255 * (1 + clean[k]) / 2;
          blue.forEach((c, i) => (pixel[i] = (1 - belief) * pale + belief * c));
        });
        right.dots(x, { color: "#FFFFFF", radius: 4.5, edge: GUIDED });
        right.dots(x0, { color: MEAN, radius: 4.5, edge: GUIDED });
        right.frame();
      }
      return { text, draw, found: { depth: world(data).peak - cfgedu.logProb(mixture, x0, NULL)[0] } };
    };
  }

  cfgedu.scenes.score_explorer = {
    make,
    goal: {
      words: say("On the spirals, find a point and a time at which the mean x\u0302\u2080 lies off every arm."),
      reached: ({ data }, { depth }) => data === "spirals" && depth > Math.log(1000),
      hint: ({ data }, { depth }) => (data !== "spirals" ? say("Choose the spirals.") : (
        say(
          "Its density is {share:.2g} of the peak; off the arms it is less than a thousandth.",
          { share: Math.exp(-depth) }
        )
      )),
      told: () => say("The mean of many possible answers need not be a possible answer."),
    },
    panels: [
      plane({ xlabel: "$x_1$", ylabel: "$x_2$" }),
      plane({
        xlabel: "$x_1$", title: "where $x_t$ may come from",
        legend: [
          { label: "$x_t$", form: "dot", fill: "#FFFFFF", edge: GUIDED },
          { label: "$p(x_0|x_t)$", form: "area", color: BELIEF, alpha: 1 },
          { label: "$x\u0302_0$, the mean of blue", form: "dot", fill: MEAN, edge: GUIDED },
        ],
      }),
    ],
  };
})();
