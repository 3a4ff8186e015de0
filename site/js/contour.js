// Lines of equal height of a field on a square grid, by marching squares, joined from cell to cell.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  const { LIM } = cfgedu;

  /** The lines where values (n n,), given on a grid over the window, pass `level`: [[x, y, x, y, ..], ..]. */
  function contour(values, n, level, window = [-LIM, LIM, -LIM, LIM]) {
    const next = new Int32Array(4 * n * n).fill(-1); // of each crossed edge, the one or two edges it is joined to
    const join = (a, b) => {
      next[2 * a + (next[2 * a] < 0 ? 0 : 1)] = b;
      next[2 * b + (next[2 * b] < 0 ? 0 : 1)] = a;
    };
    for (let j = 0; j + 1 < n; j++) {
      for (let i = 0; i + 1 < n; i++) {
        const k = j * n + i, first = values[k] > level;
        if (first === values[k + 1] > level && first === values[k + n + 1] > level && first === values[k + n] > level) {
          continue; // no line passes, as in nearly all cells
        }
        const high = [k, k + 1, k + n + 1, k + n].map((corner) => values[corner] > level);
        const edges = [2 * k, 2 * (k + 1) + 1, 2 * (k + n), 2 * k + 1]; // below, right, above, left
        const crossed = edges.filter((_, e) => high[e] !== high[(e + 1) % 4]);
        if (crossed.length === 4) { // a saddle: its centre tells which corners belong together
          const centre = (values[k] + values[k + 1] + values[k + n] + values[k + n + 1]) / 4 > level;
          const [a, b, c, d] = crossed;
          if (centre === high[0]) {
            join(a, b);
            join(c, d);
          } else {
            join(a, d);
            join(b, c);
          }
        } else if (crossed.length === 2) {
          join(crossed[0], crossed[1]);
        }
      }
    }
    const [left, right, low, top] = window;
    const place = (edge) => { // an even edge runs to the right of its corner, an odd one upwards
      const k = edge >> 1, far = k + (edge % 2 ? n : 1), share = (level - values[k]) / (values[far] - values[k]);
      const i = k % n + (edge % 2 ? 0 : share), j = Math.floor(k / n) + (edge % 2 ? share : 0);
      return [left + (right - left) * i / (n - 1), low + (top - low) * j / (n - 1)];
    };
    const lines = [], seen = new Uint8Array(2 * n * n);
    const follow = (start) => {
      const line = [];
      for (let edge = start, on = true; on;) {
        seen[edge] = 1;
        line.push(...place(edge));
        const further = [next[2 * edge], next[2 * edge + 1]].find((e) => e >= 0 && !seen[e]);
        on = further !== undefined;
        edge = further;
      }
      if (next[2 * start + 1] >= 0) { // no end: the line comes back to its start
        line.push(line[0], line[1]);
      }
      lines.push(line);
    };
    for (const open of [true, false]) {
      for (let edge = 0; edge < 2 * n * n; edge++) {
        if (next[2 * edge] >= 0 && !seen[edge] && (next[2 * edge + 1] < 0) === open) {
          follow(edge);
        }
      }
    }
    return lines;
  }

  Object.assign(cfgedu, { contour });
})();
