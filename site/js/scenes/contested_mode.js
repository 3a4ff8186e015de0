// The contested mode: which half of a class survives guidance, by interval of times, repair and sampler.

(function () {
  "use strict";
  const { NULL, G, LIM, color, grid, plane, highest, say } = cfgedu;
  const POINTS = 240, PATHS = 24, STEPS = 32, PIXELS = 61;
  const WIDE = 3.4; // half of the left window, so that all of the far mode is seen, where guidance drives it too
  const BETWEEN = -0.95; // the first coordinate half way between the two modes of class 0
  const ORANGE = "#E69F00", ANGLE = 40 * Math.PI / 180;
  const WORLDS = { "as it is": [0, 0, 0], turned: [ANGLE, 0, 0], moved: [ANGLE, 0.5, 1] }; // angle, shift
  const METHODS = {
    "plain guidance": (pair, r) => cfgedu.guided(pair, r),
    "rescaled, x0": (pair, r, schedule) => cfgedu.rescaledX0(pair, r, schedule),
    "dynamic threshold": (pair, r, schedule) => cfgedu.dynamicThreshold(cfgedu.guided(pair, r), schedule),
    "projected (APG)": (pair, r, schedule) => cfgedu.projected(pair, r, schedule),
  };

  /** Points turned by an angle, then moved by `scale` times the shift; or, for back = true, moved and turned back. */
  function carried(x, [angle, dx, dy], scale, back = false) {
    const cos = Math.cos(angle), sin = back ? -Math.sin(angle) : Math.sin(angle), there = new Float64Array(x.length);
    const [before, after] = back ? [-scale, 0] : [0, scale];
    for (let i = 0; i < x.length; i += 2) {
      const u = x[i] + before * dx, v = x[i + 1] + before * dy;
      there[i] = cos * u - sin * v + after * dx;
      there[i + 1] = sin * u + cos * v + after * dy;
    }
    return there;
  }

  function make() {
    const mixture = cfgedu.contested(), schedule = cfgedu.linear(), pixels = grid(PIXELS, WIDE);
    const times = cfgedu.evenAngles(schedule, STEPS), start = cfgedu.seeded(3).randn(2 * POINTS);
    const drawn = cfgedu.draw(mixture, 25 * POINTS, cfgedu.seeded(1)), noise = cfgedu.replayed(4);
    const candidates = cfgedu.rowsOf(drawn.x0, drawn.y, 0), edge = cfgedu.edgeOfSupport(mixture, candidates, 0);
    const coin = cfgedu.seeded(2).rand(candidates.length / 2);
    const certain = cfgedu.posteriorOf(mixture, candidates, 1, 0);
    const models = Object.fromEntries(Object.keys(WORLDS).map((name) => {
      const means = mixture.means.map((mean) => [...carried(mean, WORLDS[name], 1)]);
      const there = cfgedu.makeMixture(means, [...mixture.std], [...mixture.weight], mixture.label);
      return [name, cfgedu.nullPair(cfgedu.denoiser(there, schedule))];
    }));
    const logs = [0, 1, NULL].map((label) => cfgedu.logProb(mixture, pixels, label));
    const other = level(1, 1);
    let backdrop = null, last = {};

    /** The tilted density of class 0: the outline of its modes, and the share of the contested one in its draws. */
    function tiltedWith(r) {
      if (last.r !== r) {
        const kept = candidates.filter((_, i) => i % 2 === 0 && coin[i >> 1] < certain[i >> 1] ** (r - 1));
        last = { r, outlines: level(0, r), wanted: cfgedu.mean(kept.map((u) => (u > BETWEEN ? 1 : 0))) };
      }
      return last;
    }

    /** The outline at which the density of a class, tilted with r, has a tenth of its peak. */
    function level(label, r) {
      const log = logs[label].map((p, k) => p + (r - 1) * (p - logs[2][k])); // log p(y given x), up to a constant
      const top = highest(log);
      return cfgedu.contour(log.map((p) => Math.exp(p - top)), PIXELS, 0.1, [-WIDE, WIDE, -WIDE, WIDE]);
    }

    return ({ method, r, low, high, sampler, world }) => {
      const model = METHODS[method](models[world], cfgedu.within(r, low, high), schedule), { signal } = schedule;
      const begin = carried(start, WORLDS[world], signal[schedule.T]), step = cfgedu.SAMPLERS[sampler];
      const walk = cfgedu.trajectory(step, model, schedule, begin, 0, times, noise());
      const back = (state, i) => carried(state, WORLDS[world], signal[times[i]], true);
      const paths = walk.map((state, i) => back(state.subarray(0, 2 * PATHS), i)), x = back(walk[STEPS], STEPS);
      const ends = Array.from({ length: POINTS }, (_, i) => (x[2 * i] > BETWEEN ? 1 : 0));
      const { outlines, wanted } = tiltedWith(r), sure = cfgedu.meanPosterior(mixture, x, 0);
      const off = cfgedu.mean(cfgedu.logProb(mixture, x, 0).map((log) => (log < edge ? 1 : 0)));
      const text = say(
        "{method}, r = {r:.2f} where {low} < t <= {high}, {sampler}, world {world}: in the contested mode " +
          "{share:.0%} (tilted density: {wanted:.0%}); mean p(c | x) {sure:.4f}; off support {off:.0%}",
        { method: say(method), r, low, high, sampler, world: say(world), share: cfgedu.mean(ends), wanted, sure, off }
      );

      function draw([left, right]) {
        left.areas(other, { color: color(1), alpha: 0.25 });
        left.areas(outlines, { color: color(0), alpha: 0.25 });
        [[1, G], [0, color(0)]].forEach(([side, tint]) => (
          left.dots(x.filter((_, i) => ends[i >> 1] === side), { color: tint, radius: 1.4 })
        ));
        left.frame();
        backdrop = backdrop || cfgedu.strip(mixture, schedule, 0);
        backdrop(right);
        if (high > low) {
          right.bar((low + high) / 2, -WIDE + 0.05 * (LIM + WIDE), { color: ORANGE, width: high - low, from: -WIDE });
        }
        [low, Math.max(low, high)].forEach((t) => right.line([t, -WIDE, t, LIM], { color: ORANGE }));
        for (let k = 0; k < PATHS; k++) {
          const path = paths.flatMap((state, i) => [times[i], state[2 * k]]);
          right.line(path, { color: ends[k] ? G : color(0), width: 0.9 });
        }
        right.frame();
      }
      return { text, draw, found: { share: cfgedu.mean(ends), wanted } };
    };
  }

  cfgedu.scenes.contested_mode = {
    make,
    goal: {
      words: say("Keep plain guidance at r = 4, down to t = 0. From which t may it start without taking from the " +
        "contested mode's share?"),
      reached: ({ method, r, low, high }, { share, wanted }) => (
        method === "plain guidance" && r === 4 && low === 0 && high >= 100 && Math.abs(share - wanted) < 0.05
      ),
      hint: ({ method, r, low, high }, { share, wanted }) => (
        method !== "plain guidance" || r !== 4 ? say("Choose plain guidance and r = 4.") : (
          low > 0 || high < 100 ? say("Guide above t = 0, and up to t = 100 at least.") : (
            say("{share:.0%} end there, and {wanted:.0%} of the tilted density are there.", { share, wanted })
          )
        )
      ),
      told: () => say("Late guidance finds the modes already chosen. It is earlier guidance that empties this one."),
    },
    panels: [
      plane({
        xlabel: "$x_1$", ylabel: "$x_2$", title: "class 0, over the tilted density",
        legend: [
          { label: "ends in the contested mode", form: "dot", color: G, size: 3 },
          { label: "ends in the far mode", form: "dot", color: color(0), size: 3 },
          { label: "class 1", form: "area", color: color(1) },
        ],
      }, WIDE),
      {
        x: [1000, 0], y: [-WIDE, LIM], xticks: [1000, 750, 500, 250, 0], yticks: [-2, 0, 2], ratio: 1.25,
        xlabel: "time t", ylabel: "$x_1$", title: "paths over $p_t(x_1)$",
        legend: [{ label: "guided", color: ORANGE, width: 6 }],
      },
    ],
  };
})();
