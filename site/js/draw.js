// A canvas kit in the look of cfgedu.plots: panels with axes, titles and legends, and what moves in them.
//
// cfgedu.figure(canvas, specs, width, ratio) lays panels side by side, on a narrow screen one below the other, and
// returns them. A spec: {x: [low, high], y: [low, high], ratio (width over height), title, xlabel, ylabel, xticks,
// yticks ([value, ..] or [[value, label], ..]), bare (no axes), xscale, yscale, legend, wide and below (room for more
// on the left and below)}. Between $ and $ a text is a formula: letters are slanted, _ lowers.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  const NARROW = 560; // in CSS pixels: panels stand one below the other
  const MARGIN = { left: 34, right: 14, top: 28, bottom: 24, label: 18, row: 19 };

  const { LIM, INK, GUIDED, write, arrow, mark, key } = cfgedu;
  const identity = (value) => value;

  // ---------------------------------------------------------------- layout

  /** The rows of a legend: entries one after the other, as many in a row as fit. */
  function legendRows(ctx, legend, width) {
    const rows = [];
    let left = 0;
    legend.forEach((entry) => {
      const needed = 26 + write(ctx, entry.label, 0, 0, { draw: false }) + 12;
      if (!rows.length || left + needed > width) {
        rows.push([]);
        left = 0;
      }
      rows[rows.length - 1].push({ entry, at: left });
      left += needed;
    });
    return rows;
  }

  /** The panels on a canvas `width` CSS pixels wide, each with its box of pixels; sets the size of the canvas. */
  function figure(canvas, specs, width, pixelRatio = 1, tallest = 400) {
    const ctx = canvas.getContext("2d", { alpha: false }); // nothing behind it has to be blended in with each frame
    const stacked = width < NARROW && specs.length > 1;
    const needed = (spec) => (spec.bare ? 0 : MARGIN.left + (spec.ylabel ? MARGIN.label : 0) + (spec.wide || 0));
    const most = Math.max(...specs.map(needed)); // one below the other, axes begin on one vertical
    const left = (spec) => (spec.bare ? 6 : stacked ? most : needed(spec));
    const ratio = (spec) => (stacked ? Math.max(spec.ratio || 1, 1) : spec.ratio || 1);
    const margins = specs.map((spec) => left(spec) + MARGIN.right);
    const sum = (values) => values.reduce((total, value) => total + value, 0);
    const shared = Math.min(tallest, (width - sum(margins)) / sum(specs.map(ratio)));
    const spare = stacked ? 0 : width - sum(margins) - shared * sum(specs.map(ratio));
    let x = spare / 2, y = 0, height = 0;
    const panels = specs.map((spec, k) => {
      const high = stacked ? Math.min(tallest, (width - margins[k]) / ratio(spec)) : shared, wide = high * ratio(spec);
      const start = stacked ? left(spec) : x + left(spec);
      const box = { left: start, top: y + MARGIN.top, width: wide, height: high };
      const rows = legendRows(ctx, spec.legend || [], wide + left(spec));
      const below = (spec.bare ? 6 : MARGIN.bottom) + (spec.xlabel ? MARGIN.label : 0) + (spec.below || 0);
      const end = box.top + high + below + MARGIN.row * rows.length;
      height = Math.max(height, end);
      x += wide + margins[k];
      y = stacked ? end + 8 : 0;
      return makePanel(ctx, spec, box, rows, below, left(spec));
    });
    canvas.width = Math.round(width * pixelRatio);
    canvas.height = Math.round(height * pixelRatio);
    canvas.style.width = `${canvas.width / pixelRatio}px`; // whole pixels of the screen: a part of one would blur all
    canvas.style.height = `${canvas.height / pixelRatio}px`;
    panels.clear = () => {
      ctx.setTransform(pixelRatio, 0, 0, pixelRatio, 0, 0);
      ctx.fillStyle = "#FFFFFF";
      ctx.fillRect(0, 0, width + 1, height + 1); // sizes are rounded to pixels
    };
    panels.clear(); // without transparency, a new canvas is black
    return panels;
  }

  /** The size at which a text is at most `room` pixels wide: the one given, on a narrow screen a smaller one. */
  function fitted(ctx, text, size, room) {
    return Math.min(size, Math.floor(size * room / write(ctx, text, 0, 0, { size, draw: false })));
  }

  // ---------------------------------------------------------------- one panel

  /** A panel: its methods take data coordinates, points as x[2 i], x[2 i + 1]. */
  function makePanel(ctx, spec, box, rows, below, leftMargin) {
    const xscale = spec.xscale || identity, yscale = spec.yscale || identity;
    const [x0, x1] = spec.x.map(xscale), [y0, y1] = spec.y.map(yscale);
    const X = (value) => box.left + (xscale(value) - x0) / (x1 - x0) * box.width;
    const Y = (value) => box.top + box.height - (yscale(value) - y0) / (y1 - y0) * box.height;
    const bottom = box.top + box.height, right = box.left + box.width;
    const xticks = ticks(spec.xticks || []), heads = xticks.map(([, label]) => label.split("\n")[0]).join("  ");
    const tickSize = fitted(ctx, heads, spec.tickSize || 11, box.width);

    /** Draws inside the box, with an opacity. */
    function inside(alpha, draw) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(box.left, box.top, box.width, box.height);
      ctx.clip();
      ctx.globalAlpha = alpha;
      ctx.beginPath();
      draw();
      ctx.restore();
    }

    /** A path through points, into the path that is open. */
    function trace(points, close = false) {
      for (let i = 0; i < points.length; i += 2) {
        ctx[i ? "lineTo" : "moveTo"](X(points[i]), Y(points[i + 1]));
      }
      if (close) {
        ctx.closePath();
      }
    }

    function stroke(stroked, width, dash = []) {
      ctx.strokeStyle = stroked;
      ctx.lineWidth = width;
      ctx.lineJoin = "round";
      ctx.setLineDash(dash);
      ctx.stroke();
      ctx.setLineDash([]);
    }

    let picture = {};

    const panel = {
      spec,
      box,
      /** Data coordinates of a place on the canvas, in CSS pixels; for linear axes. */
      at: (px, py) => [
        x0 + (px - box.left) / box.width * (x1 - x0),
        y0 + (bottom - py) / box.height * (y1 - y0),
      ],
      holds: (px, py) => px >= box.left && px <= right && py >= box.top && py <= bottom,

      /** A picture of n x n colours, row by row from the bottom: paint(k, pixel) sets all three of red, green and blue.
       *  What the same function has painted the time before is taken as it is: for other colours, give another
       *  function. */
      image(n, paint, window = [-LIM, LIM, -LIM, LIM], smooth = true) {
        picture = picture.paint === paint && picture.n === n ? picture : painted(n, paint, picture);
        const [left, , low] = window, step = [(window[1] - left) / (n - 1) / 2, (window[3] - low) / (n - 1) / 2];
        const from = [X(left - step[0]), Y(window[3] + step[1])], to = [X(window[1] + step[0]), Y(low - step[1])];
        inside(1, () => {
          ctx.imageSmoothingEnabled = smooth;
          ctx.drawImage(picture.canvas, from[0], from[1], to[0] - from[0], to[1] - from[1]);
        });
      },

      /** Round marks. */
      dots(x, { color: fill = GUIDED, radius = 2, alpha = 1, edge = null, edgeWidth = 1.2 } = {}) {
        inside(alpha, () => {
          for (let i = 0; i < x.length; i += 2) {
            ctx.moveTo(X(x[i]) + radius, Y(x[i + 1]));
            ctx.arc(X(x[i]), Y(x[i + 1]), radius, 0, 2 * Math.PI);
          }
          ctx.fillStyle = fill;
          ctx.fill();
          if (edge) {
            stroke(edge, edgeWidth);
          }
        });
      },

      /** Marks of another form: "x", "+", "o" (a ring), "*", "s" (a square) or "X". */
      marks(x, form, { color: tint = GUIDED, size = 4, width = 1.2, edge = tint, alpha = 1 } = {}) {
        inside(alpha, () => {
          for (let i = 0; i < x.length; i += 2) {
            mark(ctx, form, X(x[i]), Y(x[i + 1]), size, tint, edge, width);
          }
        });
      },

      line(points, { color: tint = GUIDED, width = 1.2, dash = [], alpha = 1 } = {}) {
        inside(alpha, () => {
          trace(points);
          stroke(tint, width, dash);
        });
      },

      /** Areas inside lines, each of them closed; a hole stays open. */
      areas(outlines, { color: fill, alpha = 0.2, edge = null } = {}) {
        inside(alpha, () => {
          outlines.forEach((points) => trace(points, true));
          ctx.fillStyle = fill;
          ctx.fill("evenodd");
        });
        if (edge) {
          outlines.forEach((points) => panel.line([...points, points[0], points[1]], { color: edge, width: 1 }));
        }
      },

      /** Arrows at x, as long as the vectors v are in the units of the axes; width in pixels. */
      arrows(x, v, { color: fill = GUIDED, width = 1.8, head = 3 } = {}) {
        inside(1, () => {
          for (let i = 0; i < x.length; i += 2) {
            if (Number.isFinite(v[i])) {
              const from = [X(x[i]), Y(x[i + 1])];
              arrow(ctx, from, [X(x[i] + v[i]) - from[0], Y(x[i + 1] + v[i + 1]) - from[1]], width, head);
            }
          }
          ctx.fillStyle = fill;
          ctx.fill();
        });
      },

      bar(x, height, { color: fill, width = 0.7, from = 0, alpha = 1 } = {}) {
        inside(alpha, () => {
          ctx.fillStyle = fill;
          ctx.fillRect(X(x - width / 2), Y(height), X(x + width / 2) - X(x - width / 2), Y(from) - Y(height));
        });
      },

      circle(radius, tint = "#CCCCCC") {
        inside(1, () => {
          ctx.arc(X(0), Y(0), X(radius) - X(0), 0, 2 * Math.PI);
          stroke(tint, 0.8);
        });
      },

      text(x, y, text, look = {}) {
        write(ctx, text, X(x), Y(y), look);
      },

      title(text) {
        write(ctx, text, box.left, box.top - 9, { size: fitted(ctx, text, 13, box.width + MARGIN.right) });
      },

      /** What stands at the right, in the room that the title leaves. */
      note(text) {
        const taken = spec.title ? write(ctx, spec.title, 0, 0, { size: 13, draw: false }) + 8 : 0;
        const size = fitted(ctx, text, 11, box.width - taken);
        write(ctx, text, right, box.top - 9, { size, align: "right", fill: INK });
      },

      /** Axes, ticks and labels, above what moves; and the legend. `swap` may change an entry: (entry) -> entry. */
      frame(swap = identity) {
        if (spec.title) {
          panel.title(spec.title);
        }
        if (!spec.bare) {
          ctx.beginPath();
          ctx.moveTo(box.left, box.top);
          ctx.lineTo(box.left, bottom);
          ctx.lineTo(right, bottom);
          stroke("#000000", 1);
          xticks.forEach(([value, label]) => {
            ctx.fillStyle = "#000000";
            ctx.fillRect(X(value) - 0.5, bottom, 1, 4);
            label.split("\n").forEach((row, k) => (
              write(ctx, row, X(value), bottom + 15 + 12 * k, { size: tickSize, align: "center" })
            ));
          });
          ticks(spec.yticks || []).forEach(([value, label]) => {
            ctx.fillStyle = "#000000";
            ctx.fillRect(box.left - 4, Y(value) - 0.5, 4, 1);
            write(ctx, label, box.left - 7, Y(value) + 4, { align: "right" });
          });
        }
        if (spec.xlabel) {
          const low = bottom + 15 + MARGIN.label + (spec.below || 0), size = fitted(ctx, spec.xlabel, 12, box.width);
          write(ctx, spec.xlabel, box.left + box.width / 2, low, { size, align: "center" });
        }
        if (spec.ylabel) {
          ctx.save();
          ctx.translate(box.left - leftMargin + 13, box.top + box.height / 2);
          ctx.rotate(-Math.PI / 2);
          write(ctx, spec.ylabel, 0, 0, { size: 12, align: "center" });
          ctx.restore();
        }
        rows.forEach((row, k) => row.forEach(({ entry, at }) => {
          key(ctx, swap(entry), box.left - leftMargin / 2 + at, bottom + below + MARGIN.row * (k + 0.5));
        }));
      },
    };
    return panel;
  }

  const ticks = (list) => list.map((tick) => (Array.isArray(tick) ? tick : [tick, String(tick).replace("-", "−")]));

  /** A small canvas of n x n colours, painted: that of the picture before, where there is one. */
  function painted(n, paint, { canvas = document.createElement("canvas") }) {
    canvas.width = canvas.height = n;
    const ctx = canvas.getContext("2d"), data = ctx.createImageData(n, n), pixel = new Uint8ClampedArray(3);
    for (let row = 0; row < n; row++) {
      for (let column = 0; column < n; column++) {
        const at = 4 * ((n - 1 - row) * n + column);
        paint(row * n + column, pixel);
        data.data.set(pixel, at);
        data.data[at + 3] = 255;
      }
    }
    ctx.putImageData(data, 0, 0);
    return { canvas, n, paint };
  }

  Object.assign(cfgedu, { figure });
})();
