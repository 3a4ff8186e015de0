// Numbers as Python's format writes them, and sentences with them, so that the page says what the notebook says.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  /** f"{value:.{digits}f}": halves go to the even digit, where toFixed rounds them up. */
  function fixed(value, digits) {
    const long = value.toFixed(digits + 25), half = long.endsWith(`5${"0".repeat(24)}`);
    const low = half && long.slice(0, -25).replace(/\.$/, ""); // exactly half way: cut off instead of rounded
    return half && Number(low.at(-1)) % 2 === 0 ? low : value.toFixed(digits);
  }

  /** f"{value:.{digits}%}" */
  const percent = (value, digits = 0) => `${fixed(100 * value, digits)}%`;

  /** f"{value:.{digits}g}": `digits` figures without trailing zeros, with an exponent where it is far from 1. */
  function general(value, digits = 6) {
    if (value === 0 || !Number.isFinite(value)) {
      return value === 0 ? "0" : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
    }
    const [figures, power] = value.toExponential(digits - 1).split("e");
    const exponent = Number(power);
    if (exponent < -4 || exponent >= digits) {
      const size = String(Math.abs(exponent)).padStart(2, "0");
      return `${trimmed(figures)}e${exponent < 0 ? "-" : "+"}${size}`;
    }
    return trimmed(fixed(value, digits - 1 - exponent));
  }

  function trimmed(text) {
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  }

  /** round(value): to the nearest integer, halves to the even one. */
  function rounded(value) {
    const low = Math.floor(value), rest = value - low;
    return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
  }

  const PLACE = /\{(\w+)(?::(?:\.(\d+))?([fg%])?)?\}/g; // {name}, {share:.1%}, as Python's format takes them

  /** The template, in the language of cfgedu.words where there are such, filled with the values. */
  function say(template, values = {}) {
    const shown = { f: fixed, g: general, "%": percent };
    return ((cfgedu.words || {})[template] || template).replace(PLACE, (_, name, digits, kind) => (
      kind ? shown[kind](values[name], digits && Number(digits)) : values[name]
    ));
  }

  Object.assign(cfgedu, { rounded, fixed, percent, general, say });
})();
