// What scenes with a learned g beside the exact one share: both fields over the outlines of a class's probability, and
// the panel of the error of g.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { G, GUIDED, INK, LIM, LEVELS, DASHES, color, grid, plane, longestOf, general } = cfgedu;
  const ARROWS = 13, PIXELS = 41; // arrows and points of the outlines a side
  const LONGEST = 0.55; // drawn length of the longest arrow
  const POWERS = { "-6": "⁻⁶", "-4": "⁻⁴", "-2": "⁻²", "-1": "⁻¹", 0: "⁰" };

  /** Where the arrows stand. */
  const places = () => grid(ARROWS, LIM * (1 - 1 / ARROWS));

  /** outlinesOf(mixture)(a, label): the lines at signal level a along which p(label given x_t) is each of LEVELS. */
  function outlinesOf(mixture) {
    const pixels = grid(PIXELS);
    return (a, label) => {
      const p = cfgedu.posteriorOf(mixture, pixels, a, label);
      return LEVELS.map((level) => cfgedu.contour(p, PIXELS, level));
    };
  }

  /** Arrows in a panel, over the outlines of a class; one of the length `longest` is drawn LONGEST long. */
  function showField(panel, points, field, outlines, label, longest) {
    outlines.forEach((lines, j) => lines.forEach((line) => (
      panel.line(line, { color: color(label), width: 1.2, dash: DASHES[j] })
    )));
    panel.arrows(points, field.map((u) => LONGEST / longest * u), { color: G });
    panel.note(`longest ${general(longestOf(field), 2)}`);
    panel.frame();
  }

  /** The error of g along a curve, the place on it, and the signal. */
  function showError(panel, signal, curve, [at, error], share) {
    panel.line(signal, { color: GUIDED, dash: [5, 3], width: 1.5 });
    panel.line(curve, { color: G, width: 2 });
    panel.dots([at, error], { color: G, radius: 4.5 });
    panel.note(`${general(share, 2)} x signal`);
    panel.frame();
  }

  /** The three panels; `axes` of the error, with the powers of ten that it is marked at. */
  function fieldPanels(powers, axes) {
    const legend = LEVELS.map((p, k) => ({ label: `$p(y|x_t)$ = ${p}`, dash: DASHES[k], color: INK }));
    return [plane({ title: "exact $g$", legend }), plane({ title: "learned $g$" }), {
      yscale: Math.log10, title: "error of $g$", yticks: powers.map((p) => [10 ** p, `10${POWERS[p]}`]), wide: 6,
      legend: [
        { label: "mean squared error", form: "line-dot", color: G, size: 4 },
        { label: "signal: mean g²", color: GUIDED, dash: [5, 3] },
      ],
      ...axes,
    }];
  }

  Object.assign(cfgedu, { places, outlinesOf, showField, showError, fieldPanels });
})();
