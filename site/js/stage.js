// What scenes share: the colours and the window of cfgedu.plots, grids of points, backgrounds, and the tables of scenes
// and of demos.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  const CLASSES = ["#0072B2", "#D55E00", "#009E73", "#E69F00"]; // class 0 blue, 1 vermilion, 2 green, 3 orange
  const UN = "#777777", G = "#AA3377", GUIDED = "#000000", INK = "#333333"; // as in cfgedu.plots and its stage
  const LIM = 2.75; // the window onto the 2D world
  const LEVELS = [0.1, 0.5, 0.9], DASHES = [[1.5, 2.5], [5, 3], []];

  /** [red, green, blue] from 0 to 255 of "#rrggbb". */
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const color = (y) => (y < 0 ? UN : CLASSES[y % CLASSES.length]);

  /** The n x n points of a square grid over the window, row by row from the bottom. */
  function grid(n, lim = LIM) {
    const axis = cfgedu.linspace(-lim, lim, n);
    return Float64Array.from({ length: 2 * n * n }, (_, i) => axis[i % 2 ? Math.floor(i / 2 / n) : (i >> 1) % n]);
  }

  /** A square window onto the 2D world. */
  function plane(more = {}, lim = LIM) {
    return { x: [-lim, lim], y: [-lim, lim], xticks: [-2, 0, 2], yticks: [-2, 0, 2], ...more };
  }

  /** The density p_t of one coordinate at all times, behind paths: time from T (left) to 0, as cfgedu.plots.strip. */
  function strip(mixture, schedule, axis = 1, rows = 101) {
    const means = mixture.means.map((mean) => [mean[axis]]);
    const side = cfgedu.makeMixture(means, [...mixture.std], [...mixture.weight], mixture.label);
    const x = cfgedu.linspace(-LIM, LIM, rows), times = schedule.grid(Math.min(100, schedule.T));
    const columns = times.map((t) => {
      const log = cfgedu.logProb(side, x, cfgedu.NULL, schedule.alphaBar[t]), top = Math.max(...log);
      return log.map((value) => Math.exp(value - top)); // every time has its own full range of greys
    });
    const grey = (share) => 255 - Math.round(190 * share ** 0.9 / 2);
    const shade = Uint8Array.from({ length: rows * rows }, (_, k) => grey(columns[k % rows][Math.floor(k / rows)]));
    const paint = (k, pixel) => pixel.fill(shade[k]);
    return (panel) => panel.image(rows, paint, [schedule.T, 0, -LIM, LIM]);
  }

  /** A bar for each class, and its prior as a black line. */
  function classBars(panel, heights, prior) {
    heights.forEach((height, k) => panel.bar(k, height, { color: CLASSES[k] }));
    prior.forEach((p, k) => panel.line([k - 0.45, p, k + 0.45, p], { width: 2 }));
  }

  const highest = (values) => values.reduce((top, value) => Math.max(top, value), -Infinity);

  /** The length of the longest of vectors that lie one after the other. */
  function longestOf(field) {
    let longest = 0;
    for (let i = 0; i < field.length; i += 2) {
      longest = Math.max(longest, Math.hypot(field[i], field[i + 1]));
    }
    return longest;
  }

  Object.assign(cfgedu, {
    CLASSES, UN, G, GUIDED, INK, LIM, LEVELS, DASHES, rgb, color, grid, plane, strip, classBars, highest, longestOf,
    scenes: {}, demos: {},
  });
})();
