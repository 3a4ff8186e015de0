// The hero demo: the guidance vector g = s_cond - s_un over p(y given x_t), and the vector sum at one point. Each
// panel writes down its own scale: left the length of the longest arrow, right what the outer circle stands for.

(function () {
  "use strict";
  const {
    CLASSES, UN, G, GUIDED, INK, LIM, LEVELS, DASHES, rgb, color, grid, plane, longestOf, fixed, general, say,
  } = cfgedu;
  const ARROWS = 13, PIXELS = 51; // arrows and pixels a side
  const LONGEST = 0.55, POINTER = 0.7; // drawn lengths: the longest arrow of g, and the guided score's direction

  const length = ([u, v]) => Math.hypot(u, v);

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear();
    const pair = cfgedu.nullPair(cfgedu.denoiser(mixture, schedule)), vector = cfgedu.guidanceVector(pair, schedule);
    const points = grid(ARROWS, LIM * (1 - 1 / ARROWS)), pixels = grid(PIXELS);
    let last = {};

    /** What does not depend on the point and on r: it is kept while they move. */
    function fieldAt(t, label) {
      if (last.t !== t || last.label !== label) {
        const a = schedule.alphaBar[t], p = cfgedu.posteriorOf(mixture, pixels, a, label), tint = rgb(color(label));
        const paint = (k, pixel) => tint.forEach((c, i) => (pixel[i] = 255 - (255 - c) * p[k] / 1.6));
        const outlines = LEVELS.map((level) => cfgedu.contour(p, PIXELS, level));
        last = { t, label, g: vector(points, t, label), paint, outlines, centre: centreOf(mixture, label, a) };
      }
      return last;
    }

    return ({ t, r, label, px, py }) => {
      const a = schedule.alphaBar[t], x = Float64Array.of(px, py);
      const g = vector(x, t, label);
      const [un, cond] = pair(x, t, label).map((eps) => schedule.score(x, t, eps));
      const guided = un.map((s, d) => s + r * g[d]);
      const prob = cfgedu.posterior(mixture, x, a)[label];
      const text = say(
        "t = {t}, signal level {a:.3f}. At the point: p(y = {label} | x_t) = {prob:.3f}, |s_un| = {un:.3g}, " +
          "|g| = {g:.3g}, |guided| = {guided:.3g}",
        { t, a, label, prob, un: length(un), g: length(g), guided: length(guided) }
      );

      function draw([left, right]) {
        showField(left, points, fieldAt(t, label), x, guided);
        showSum(right, r, label, un, cond, g, guided);
      }
      return { text, draw, found: { prob, g: length(g), un: length(un) } };
    };
  }

  /** The mean of a class at the signal level a. */
  function centreOf(mixture, label, a) {
    const own = mixture.means.map((mean, j) => [mean, mixture.label[j] === label ? mixture.weight[j] : 0]);
    const total = own.reduce((sum, [, weight]) => sum + weight, 0);
    return [0, 1].map((d) => Math.sqrt(a) * own.reduce((sum, [mean, weight]) => sum + mean[d] * weight, 0) / total);
  }

  /** g at the points, over p(y given x_t); the mean of the class; the guided score at one point. */
  function showField(panel, points, { t, label, g, paint, outlines, centre }, x, guided) {
    panel.image(PIXELS, paint);
    outlines.forEach((lines, k) => lines.forEach((line) => (
      panel.line(line, { color: INK, width: 1.1, dash: DASHES[k] })
    )));
    const longest = longestOf(g);
    panel.arrows(points, g.map((u) => LONGEST / longest * u), { color: G });
    panel.marks(centre, "x", { size: 4, width: 2 });
    const scale = POINTER / Math.max(length(guided), 1e-12);
    panel.arrows(x, guided.map((s) => scale * s), { width: 4, head: 2.6 });
    panel.dots(x, { color: "#FFFFFF", radius: 5, edge: GUIDED, edgeWidth: 1.6 });
    panel.note(`t = ${t},  longest arrow ${general(longest, 2)}`);
    panel.frame();
  }

  /** The vector sum s_un + r g, and the two scores, at one point. */
  function showSum(panel, r, label, un, cond, g, guided) {
    const reach = 2 ** Math.ceil(Math.log2(Math.max(length(un), length(cond), length(guided))));
    const drawn = (from, vector, look) => panel.arrows(from.map((v) => v / reach), vector.map((v) => v / reach), look);
    [0.5, 1].forEach((radius) => panel.circle(radius));
    drawn([0, 0], un, { color: UN, width: 6, head: 2.2 });
    drawn([0, 0], cond, { color: color(label), width: 6, head: 2.2 });
    drawn(un, g.map((v) => r * v), { color: G, width: 3 });
    drawn([0, 0], guided, { width: 3 });
    panel.note(`r = ${fixed(r, 1)},  outer circle ${general(reach)}`);
    panel.frame((entry) => (entry.width === 5 ? { ...entry, color: color(label) } : entry));
  }

  const levels = LEVELS.map((p, k) => ({ label: `$p$ = ${p}`, dash: DASHES[k], width: 1.2 }));
  const point = { label: "the point, its guided score", form: "line-dot", color: GUIDED, fill: "#FFFFFF", width: 3 };
  cfgedu.scenes.guidance_vector = {
    make,
    goal: {
      words: say(
        "With t at 100 or below, find a point where g is less than a thousandth of the score without the label."
      ),
      reached: ({ t }, { g, un }) => t <= 100 && g < un / 1000,
      hint: ({ t }, { prob, g, un }) => (t > 100 ? say("Lower t.") : (
        say(
          "|g| is {ratio:.2g} times |s_un|, and p(y | x_t) is {prob:.3f}. Where has that probability stopped changing?",
          { ratio: g / un, prob }
        )
      )),
      told: () => say("Deep inside the class the label says nothing new, so no scale r moves the sum."),
    },
    panels: [
      plane({
        title: "$g$ over $p(y|x_t)$",
        legend: [...levels, { label: "$g$", color: G, width: 3 }, point,
          { label: "mean of class $y$", form: "x", color: GUIDED }],
      }),
      {
        x: [-1.1, 1.1], y: [-1.1, 1.1], bare: true, title: "the sum at the point",
        legend: [
          { label: "$s_{un}$, no label", color: UN, width: 6 },
          { label: "$s_{cond}$, label $y$", color: CLASSES[0], width: 5 },
          { label: "$r g$", color: G, width: 3 },
          { label: "guided: $s_{un}$ + $r g$", color: GUIDED, width: 3 },
        ],
      },
    ],
  };
})();
