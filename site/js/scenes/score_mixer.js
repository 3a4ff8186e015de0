// The score mixer: the class arrows at one point, and their posterior-weighted mean, which is the unconditional arrow.
// Arrows are drawn in eps units, score times sqrt(1 - a_t), so that they stay on the page at every noise level.

(function () {
  "use strict";
  const { NULL, CLASSES, UN, GUIDED, rgb, color, grid, plane, highest, say } = cfgedu;
  const PIXELS = 71, LENGTH = 0.5, DEPTH = 5; // pixels a side; drawn length of an arrow of eps length 1; of the shade
  const MARKS = [["o", 7, "mean weighted by $p(c|x_t)$"], ["x", 4.5, "mean weighted by the prior $p(c)$"],
    ["+", 6, "plain average"]];

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), model = cfgedu.denoiser(mixture, schedule);
    const { K } = mixture, tint = CLASSES.slice(0, K).map(rgb), pixels = grid(PIXELS);
    const labels = [...Array(K).keys(), NULL]; // no label last, so that its arrow lies on top
    let last = {};

    /** Paints the colours of noisy data at time t: kept while the point moves. */
    function colors(t) {
      if (last.t !== t) {
        const a = schedule.alphaBar[t], log = cfgedu.logProb(mixture, pixels, NULL, a);
        const p = cfgedu.posterior(mixture, pixels, a), top = highest(log);
        const shown = Float64Array.from({ length: 3 * log.length }, (_, i) => {
          const k = Math.floor(i / 3), shade = 0.75 * Math.max(0, 1 + (log[k] - top) / DEPTH);
          const mixed = tint.reduce((sum, c, y) => sum + p[K * k + y] * c[i % 3], 0);
          return 255 - shade * (255 - mixed);
        });
        last = { t, paint: (k, pixel) => pixel.set(shown.subarray(3 * k, 3 * k + 3)) };
      }
      return last.paint;
    }

    return ({ t, px, py }) => {
      const a = schedule.alphaBar[t], x = Float64Array.of(px, py);
      const s = labels.map((y) => Array.from(model(x, t, y), (e) => -e)); // scores times sqrt(1 - a_t)
      const un = s[K], p = cfgedu.posterior(mixture, x, a);
      const means = [p, mixture.prior, p.map(() => 1 / K)].map((weights) => (
        [0, 1].map((d) => weights.reduce((sum, w, k) => sum + w * s[k][d], 0))
      ));
      const [posterior, prior, plain] = means.map(([u, v]) => Math.hypot(u - un[0], v - un[1]));
      const text = say(
        "t = {t} (signal level {a:.3f}); s_un = ({x:.2f}, {y:.2f}) in eps units; the means miss it by: " +
          "posterior-weighted {posterior:.3f}, prior-weighted {prior:.3f}, plain {plain:.3f}",
        { t, a, x: un[0], y: un[1], posterior, prior, plain }
      );

      const off = Math.max(...p.map((share, k) => Math.abs(share - mixture.prior[k])));

      function draw([left, middle, right]) {
        left.image(PIXELS, colors(t));
        s.forEach((v, k) => left.arrows(x, v.map((u) => LENGTH * u), { color: color(labels[k]), width: 3.2 }));
        left.dots(x, { color: "#FFFFFF", radius: 4, edge: GUIDED });
        left.title(`noisy data, t = ${t}`);
        left.frame();
        showMeans(middle, s, labels, means);
        cfgedu.classBars(right, p, mixture.prior);
        right.frame();
      }
      return { text, draw, found: { off } };
    };
  }

  /** The arrows from one origin, and three marks: their means, weighted by the posterior, by the prior, by nothing. */
  function showMeans(panel, s, labels, means) {
    const low = [0, 1].map((d) => Math.min(0, ...s.map((v) => v[d]))); // the arrows begin at the origin
    const high = [0, 1].map((d) => Math.max(0, ...s.map((v) => v[d])));
    const centre = [0, 1].map((d) => (low[d] + high[d]) / 2);
    const half = Math.max(1e-9, 0.6 * Math.max(high[0] - low[0], high[1] - low[1]));
    const place = (v) => v.map((u, d) => (u - centre[d]) / half);
    const outline = s.slice(0, -1).flatMap(place);
    panel.areas([outline], { color: "#F2F2F2", alpha: 1, edge: "#999999" });
    s.forEach((v, k) => panel.arrows(place([0, 0]), v.map((u) => u / half), { color: color(labels[k]), width: 4 }));
    means.forEach((mean, k) => panel.marks(place(mean), MARKS[k][0], { size: MARKS[k][1], width: 2 }));
    panel.frame();
  }

  const names = [0, 1, 2].map((k) => ({ label: `class ${k}: $s_${k}$`, color: CLASSES[k], width: 4 }));
  cfgedu.scenes.score_mixer = {
    make,
    goal: {
      words: say(
        "With t at 200 or below, find a point that tells nothing of its class: weights within 0.03 of the prior."
      ),
      reached: ({ t }, { off }) => t <= 200 && off < 0.03,
      hint: ({ t }, { off }) => (t > 200 ? say("Lower t.") : (
        say("A weight is off by {off:.3f}. What lies equally near to all three classes?", { off })
      )),
      told: () => say("Where the posterior is the prior, the prior-weighted mean is right as well."),
    },
    panels: [
      plane({ ylabel: "$x_2$", legend: [...names, { label: "no label: $s_{un}$", color: UN, width: 4 }] }),
      {
        x: [-1, 1], y: [-1, 1], title: "the arrows at the point",
        legend: MARKS.map(([form, size, label]) => ({ label, form, size: Math.min(size, 5), color: GUIDED })),
      },
      {
        x: [-0.6, 2.6], y: [0, 1.02], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1], ratio: 0.62, title: "weights $p(c|x_t)$",
        xticks: [0, 1, 2].map((k) => [k, `class ${k}`]), legend: [{ label: "prior $p(c)$", color: GUIDED }],
      },
    ],
  };
})();
