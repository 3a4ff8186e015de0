// What the canvas kit writes and draws in single pieces: texts with formulas, arrows, marks and entries of a legend.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { INK } = cfgedu;
  const FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

  /** [{text, slanted, low}, ..]: the pieces of a text with formulas between $ signs. */
  function pieces(text) {
    return text.split("$").flatMap((part, k) => {
      if (k % 2 === 0) {
        return [{ text: part, slanted: false, low: false }];
      }
      return part.split(/(_\{[^}]*\}|_.)/).flatMap((run) => {
        const low = run.startsWith("_");
        return (low ? run.replace(/[_{}]/g, "") : run).split(/(\p{L}\u0302?)/u).map((letter, i) => (
          { text: letter, slanted: i % 2 === 1, low }
        ));
      });
    }).filter((piece) => piece.text);
  }

  const laid = new Map(), MANY = 1000;

  /** The pieces of a text, each with its font and width: nearly all texts return with the next frame. */
  function layOut(ctx, text, size, bold) {
    const name = `${size} ${bold} ${text}`;
    if (laid.size > MANY) {
      laid.clear(); // titles with numbers come and go
    }
    if (!laid.has(name)) {
      laid.set(name, pieces(text).map((run) => {
        const font = `${run.slanted ? "italic " : ""}${bold ? "bold " : ""}${run.low ? size - 2 : size}px ${FONT}`;
        ctx.font = font;
        return { ...run, font, width: ctx.measureText(run.text).width };
      }));
    }
    return laid.get(name);
  }

  /** Writes a text with formulas, or only measures it; returns its width. */
  function write(ctx, text, x, y, look = {}) {
    const { size = 12, align = "left", fill = "#000000", bold = false, draw = true } = look;
    const runs = layOut(ctx, text, size, bold), total = runs.reduce((sum, { width }) => sum + width, 0);
    let at = x - { left: 0, center: total / 2, right: total }[align];
    if (draw) {
      ctx.fillStyle = fill;
      runs.forEach((run) => {
        ctx.font = run.font;
        ctx.fillText(run.text, at, y + (run.low ? 3 : 0));
        at += run.width;
      });
    }
    return total;
  }

  /** One arrow, into the path that is open: a shaft and a head of `head` widths. */
  function arrow(ctx, [x, y], [dx, dy], width, head) {
    const length = Math.hypot(dx, dy);
    if (length < 0.3) {
      return;
    }
    const [ux, uy] = [dx / length, dy / length], tip = Math.min(length, head * width * 1.3), half = width / 2;
    const wing = tip / (head * width * 1.3) * head * half, shaft = length - tip * 0.9;
    const place = (along, aside) => [x + ux * along - uy * aside, y + uy * along + ux * aside];
    ctx.moveTo(...place(0, half));
    [[shaft, half], [length - tip, wing], [length, 0], [length - tip, -wing], [shaft, -half], [0, -half]].forEach(
      ([along, aside]) => ctx.lineTo(...place(along, aside)),
    );
    ctx.closePath();
  }

  function mark(ctx, form, x, y, size, tint, edge, width) {
    ctx.beginPath();
    if (form === "o") {
      ctx.arc(x, y, size, 0, 2 * Math.PI);
    } else if (form === "*") {
      for (let k = 0; k < 10; k++) {
        const radius = k % 2 ? size * 0.4 : size, turn = Math.PI * (k / 5 - 0.5);
        ctx.lineTo(x + radius * Math.cos(turn), y + radius * Math.sin(turn));
      }
      ctx.closePath();
    } else if (form === "s") {
      ctx.rect(x - size, y - size, 2 * size, 2 * size);
    } else {
      const arms = form === "+" ? [[1, 0], [0, 1]] : [[1, 1], [1, -1]];
      arms.forEach(([dx, dy]) => {
        ctx.moveTo(x - size * dx, y - size * dy);
        ctx.lineTo(x + size * dx, y + size * dy);
      });
    }
    if (form === "*" || form === "s") {
      ctx.fillStyle = tint;
      ctx.fill();
    }
    if (form === "X") { // a heavy cross with a pale rim
      ctx.strokeStyle = edge;
      ctx.lineWidth = width + 2.5;
      ctx.stroke();
    }
    ctx.strokeStyle = form === "X" ? tint : edge;
    ctx.lineWidth = width;
    ctx.stroke();
  }

  /** One entry of a legend: a line, a dot, a mark or an area, and its name. */
  function key(ctx, entry, x, y) {
    const { label, color: tint = INK, form = "line", width = 2, dash = [], size = 4, edge = tint } = entry;
    if (form === "line" || form === "line-dot") {
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x + 20, y);
      ctx.strokeStyle = tint;
      ctx.lineWidth = width;
      ctx.setLineDash(dash);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    if (form === "dot" || form === "line-dot") {
      ctx.beginPath();
      ctx.arc(x + 10, y, size, 0, 2 * Math.PI);
      ctx.fillStyle = entry.fill || tint;
      ctx.fill();
      ctx.strokeStyle = edge;
      ctx.lineWidth = 1.2;
      ctx.stroke();
    } else if (form === "area") {
      ctx.fillStyle = tint;
      ctx.globalAlpha = entry.alpha || 0.3;
      ctx.fillRect(x, y - 5, 20, 10);
      ctx.globalAlpha = 1;
    } else if (!form.startsWith("line")) {
      mark(ctx, form, x + 10, y, size, entry.fill || tint, edge, width);
    }
    write(ctx, label, x + 26, y + 4);
  }

  Object.assign(cfgedu, { write, arrow, mark, key });
})();
