// The state of a demo: what its controls allow, what the address holds of it, and the notebook cell that draws it.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  /** The value nearest to this one that the control can stand on; undefined where there is none. */
  function nearest(control, value) {
    if (control.options) {
      const found = control.options.find(([, own]) => String(own) === String(value));
      return found && found[1];
    }
    const number = Number(value), { min, max, step } = control;
    if (value === "" || !Number.isFinite(number)) {
      return undefined;
    }
    return Number(Math.min(Math.max(min + Math.round((number - min) / step) * step, min), max).toFixed(9));
  }

  /** The changes of a state that the controls allow. */
  function allowed(demo, changes) {
    const pairs = demo.controls.map((control) => [control.name, nearest(control, changes[control.name])]);
    return Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
  }

  /** The part of the address after # as [[name, value], ..]; of demos, names are demo.control. */
  function inAddress() {
    return [...new URLSearchParams(location.hash.slice(1))];
  }

  function spokenOf(name) {
    return inAddress().some(([key]) => key.startsWith(`${name}.`));
  }

  function changesInAddress(name) {
    const own = inAddress().filter(([key]) => key.startsWith(`${name}.`));
    return Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value]));
  }

  /** Writes what differs from the start into the address, beside the states of other demos. */
  function toAddress(name, state, start) {
    const others = inAddress().filter(([key]) => key.includes(".") && !key.startsWith(`${name}.`));
    const changed = Object.keys(start).filter((key) => state[key] !== start[key]);
    const own = changed.map((key) => [`${name}.${key}`, state[key]]);
    const text = new URLSearchParams([...others, ...own]).toString();
    if (text || spokenOf(name)) {
      history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    }
  }

  /** The value as Python writes it. */
  function repr(control, value) {
    if (typeof value === "boolean") {
      return value ? "True" : "False";
    }
    if (typeof value === "string") {
      return `'${value.replace(/\\/g, "\\\\").replace(/'/g, "\\'")}'`;
    }
    return control.float && Number.isInteger(value) ? `${value}.0` : `${value}`;
  }

  /** The notebook cell that draws this picture, or the demo's own cell with the values of the state in it. */
  function codeOf(name, demo, state) {
    if (demo.cell) {
      const shown = (control) => repr(control, state[control.name]);
      return demo.controls.reduce((text, control) => text.replace(`{${control.name}}`, shown(control)), demo.cell);
    }
    const given = demo.controls.map((control) => `${control.name}=${repr(control, state[control.name])}`);
    return `from ${demo.module} import ${name}_demo\n\ndemo = ${name}_demo()\ndemo.still(${given.join(", ")})`;
  }

  Object.assign(cfgedu, { allowed, spokenOf, changesInAddress, toAddress, codeOf });
})();
