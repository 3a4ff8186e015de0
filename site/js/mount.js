// Brings the demos of a page to life: <figure class="cfgedu-demo" data-demo="name" data-state="{json}"> holds a
// picture, and gets controls, a canvas, a readout and a goal in its place. Without this script, or for a scene that is
// not there, the picture stays. cfgedu.demos, written from Python, describes the controls, and says which networks and
// what code the demo needs: scene.make(networks) gets them by name. The address may hold a state, such as #scales.r=3.
//
// scene.make() gives update(state) -> {text, draw, found, later}; later, where it is there, is a promise, after which
// the same state is asked for again: what has to be waited for is not there yet. scene.follow(name), where it is there,
// gives what else changes when a hand moves a control. In data-words, a figure may bring words in another language.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { say, allowed, spokenOf, changesInAddress, toAddress, codeOf } = cfgedu;
  const REST = 400, PLAY = 90; // ms until the address and the listener follow; for a frame that is played
  const NEAR = "400px"; // how far from what is seen a demo becomes live
  const LARGE = 1e6; // bytes: networks that are larger are loaded when somebody asks for them

  /** A new element with attributes and children; a property where the element has one. */
  function make(tag, given = {}, ...children) {
    const element = document.createElement(tag);
    Object.entries(given).forEach(([name, value]) => {
      if (name in element) {
        element[name] = value;
      } else {
        element.setAttribute(name, value);
      }
    });
    element.append(...children);
    return element;
  }

  // ---------------------------------------------------------------- controls

  /** One control as [element, show(value), input]; it calls moved(value). */
  function controlOf(control, id, moved) {
    const label = make("label", { htmlFor: id, textContent: say(control.label) });
    if (control.options) {
      const options = control.options.map(([text]) => make("option", { textContent: say(text) }));
      const select = make("select", { id }, ...options);
      select.addEventListener("input", () => moved(control.options[select.selectedIndex][1]));
      const show = (value) => (select.selectedIndex = control.options.findIndex(([, own]) => own === value));
      return [make("div", { className: "cfgedu-control" }, label, select), show, select];
    }
    const { min, max, step, value } = control, number = make("output", { htmlFor: id });
    const range = make("input", { id, type: "range", min, max, step, value });
    range.addEventListener("input", () => moved(Number(Number(range.value).toFixed(9))));
    const show = (at) => {
      range.value = at;
      number.value = control.float ? at.toFixed(2) : at;
    };
    return [make("div", { className: "cfgedu-control" }, label, number, range), show, range];
  }

  // ---------------------------------------------------------------- one demo

  function mount(figure, networks) {
    const name = figure.dataset.demo, demo = cfgedu.demos[name], scene = cfgedu.scenes[name];
    const start = { ...demo.start, ...allowed(demo, JSON.parse(figure.dataset.state || "{}")) };
    const update = scene.make(networks), id = (part) => `cfgedu-${name}-${part}`;
    let state = { ...start, ...allowed(demo, changesInAddress(name)) };
    let panels = null, laid = "", last = null, waiting = false, busy = false, resting = 0, playing = 0;

    const button = (text, act, title = "") => {
      const made = make("button", { type: "button", textContent: text, title });
      made.addEventListener("click", act);
      return made;
    };
    const canvas = make("canvas", { role: "img", "aria-label": say(demo.alt), "aria-describedby": id("readout") });
    const frame = make("div", { className: "cfgedu-frame" }, canvas);
    const readout = make("p", { className: "cfgedu-readout", id: id("readout") });
    const spoken = make("p", { className: "cfgedu-spoken", "aria-live": "polite" });
    const hint = button(say("hint"), () => (verdict.textContent = judged(true)), say("what the present state lacks"));
    const verdict = make("span", { role: "status" });
    const head = make("strong", { textContent: `${say("Goal:")} ` });
    const goal = make("p", { className: "cfgedu-goal" }, head, scene.goal.words, " ", hint, " ", verdict);
    const cell = { role: "region", "aria-label": say("the notebook cell for this demo") };
    const code = make("pre", { hidden: true, tabIndex: 0, ...cell });

    const shown = {};
    const controls = demo.controls.filter((control) => !control.options || control.options.length > 1);
    const rows = controls.map((control) => {
      const moved = (value) => byHand({ ...(scene.follow && scene.follow(control.name)), [control.name]: value });
      const [element, show, input] = controlOf(control, id(control.name), moved);
      shown[control.name] = [show, input];
      return element;
    });
    const presets = Object.entries(demo.presets).map(([text, changes]) => (
      button(say(text), () => byHand({ ...start, ...changes }))
    ));
    const played = demo.play && say(demo.play.label), trains = demo.play && demo.play.on;
    const moves = trains ? "" : demo.play && say("moves {label}", { label: played });
    const play = demo.play && button("", () => (playing ? stop() : begin()), moves);
    const toggle = button(say("as code"), () => {
      code.hidden = !code.hidden;
      toggle.setAttribute("aria-expanded", !code.hidden);
    }, say("the notebook cell for this demo"));
    const big = document.fullscreenEnabled && button(say("full screen"), () => (
      document.fullscreenElement ? document.exitFullscreen() : live.requestFullscreen()
    ));
    const reset = button(say("reset"), () => byHand(start), say("back to the first state"));
    const places = make("div", { className: "cfgedu-buttons" }, ...[play, ...presets].filter(Boolean));
    const buttons = make("div", { className: "cfgedu-buttons" }, ...[reset, toggle, big].filter(Boolean));
    const board = make("div", { className: "cfgedu-controls" }, ...rows);
    const live = make("div", { className: "cfgedu-live" }, board, places, frame, readout, goal, buttons, code, spoken);

    // ------------------------------------------------------------ frames: what comes too fast is dropped, never queued

    function draw() {
      waiting = false;
      const began = performance.now(), { text, draw: paint, found, later } = update(state);
      panels.clear();
      paint(panels);
      figure.dataset.ms = (performance.now() - began).toFixed(2);
      readout.textContent = text;
      readout.setAttribute("aria-busy", Boolean(later));
      code.textContent = codeOf(name, demo, state);
      [last, busy] = [found, Boolean(later)];
      Object.entries(shown).forEach(([key, [show, input]]) => {
        show(state[key]);
        input.disabled = scene.uses ? !scene.uses(key, state) : false;
      });
      if (later) {
        later.then(() => set({}));
      }
    }

    function request() {
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(draw);
      }
    }

    function set(changes) {
      state = { ...state, ...changes };
      request();
      clearTimeout(resting);
      resting = setTimeout(() => {
        spoken.textContent = readout.textContent;
        verdict.textContent = judged(false);
        toAddress(name, state, start);
      }, REST);
    }

    /** What a hand or a link asks for; it ends the playing, as in a notebook. */
    function byHand(changes) {
      if (playing) {
        stop();
      }
      set(changes);
    }

    /** What is to say of the goal: why it is reached, or, where a hint is asked for, what is missing. */
    function judged(asked) {
      const reached = Boolean(last && scene.goal.reached(state, last));
      goal.classList.toggle("cfgedu-reached", reached);
      if (reached) {
        return `✓ ${scene.goal.told(state, last)}`;
      }
      return asked && last ? scene.goal.hint(state, last) : "";
    }

    function layout() {
      const full = document.fullscreenElement === live, room = live.clientWidth - 18;
      const width = Math.max(260, full ? room : Math.min(room, 100 * demo.size[0]));
      const tallest = full ? innerHeight - 260 : 400, ratio = devicePixelRatio, size = `${width} ${tallest} ${ratio}`;
      if (size === laid) {
        return; // only the text below has grown: new parts would take the picture out of the hand that drags in it
      }
      laid = size;
      panels = cfgedu.figure(canvas, scene.panels, width, ratio, tallest);
      frame.style.width = `${width}px`;
      frame.querySelectorAll(".cfgedu-drag").forEach((part) => part.remove());
      frame.append(...demo.drag.map(({ panel, x, y }) => handle(panels[panel], x, y)));
      request();
    }

    /** The part of the picture in which a hand moves the parts x and y of the state. */
    function handle(panel, x, y) {
      const part = make("div", { className: "cfgedu-drag" }), { left, top, width, height } = panel.box;
      Object.assign(part.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
      part.addEventListener("pointerdown", (event) => {
        part.setPointerCapture(event.pointerId);
        move(event);
      });
      part.addEventListener("pointermove", (event) => part.hasPointerCapture(event.pointerId) && move(event));
      function move(event) {
        const corner = canvas.getBoundingClientRect();
        const [u, v] = panel.at(event.clientX - corner.left, event.clientY - corner.top);
        byHand(allowed(demo, { [x]: u, [y]: v }));
      }
      return part;
    }

    /** Plays from the first value on; what trains goes on from where it stands, over all values of its control. */
    function begin() {
      const { name: key } = demo.play, { min, max, step } = demo.controls.find((control) => control.name === key);
      const all = () => Array.from({ length: (max - min) / step + 1 }, (_, i) => min + step * i);
      const values = trains ? all() : demo.play.values;
      let k = trains ? (values.indexOf(state[key]) + 1) % values.length : 0;
      stop();
      play.textContent = trains ? say("pause") : say("stop");
      playing = setInterval(() => {
        if (busy) {
          return; // what a frame waits for, the next value waits for too
        }
        set({ [key]: values[k++] });
        if (k === values.length) {
          stop();
        }
      }, PLAY);
    }

    function stop() {
      clearInterval(playing);
      playing = 0;
      if (play) {
        play.textContent = trains ? say("train") : say("play {label}", { label: played });
      }
    }

    stop();
    figure.prepend(live);
    figure.classList.add("cfgedu-alive");
    new ResizeObserver(layout).observe(live);
    globalThis.addEventListener("resize", layout); // a zoom may leave the width as it is
    globalThis.addEventListener("hashchange", () => { // a link to a heading leaves a demo as it is
      if (spokenOf(name)) {
        byHand({ ...start, ...allowed(demo, changesInAddress(name)) });
      }
    });
    layout();
  }

  /** Loads what a demo needs, then makes it live; large networks wait for a hand, or for an address that is meant. */
  function prepare(figure) {
    const name = figure.dataset.demo, { needs, code } = cfgedu.demos[name], names = Object.keys(needs);
    const bytes = names.reduce((sum, network) => sum + needs[network], 0);
    cfgedu.words = { ...cfgedu.words, ...JSON.parse(figure.dataset.words || "{}") };
    if (!names.length && !code.length) {
      mount(figure);
      return;
    }
    const press = make("button", { type: "button" }), told = make("span", { role: "status" });
    const place = make("p", { className: "cfgedu-offer" }, press, " ", told);

    function load() {
      const held = document.activeElement === press; // by the keyboard, which then goes on in the controls
      press.disabled = true;
      told.textContent = say("loading …");
      return Promise.all([...names.map(cfgedu.checkpoint), ...code.map(cfgedu.packed)]).then((loaded) => {
        place.remove();
        mount(figure, Object.fromEntries(names.map((network, k) => [network, loaded[k]])));
        if (held) {
          figure.querySelector("input, select").focus();
        }
      }, (error) => {
        press.disabled = false;
        told.textContent = say("{error}. Try again?", { error: error.message });
      });
    }

    press.textContent = say("make it live (loads {size:.1f} MB)", { size: bytes / 1e6 });
    press.addEventListener("click", load);
    figure.prepend(place);
    if (bytes < LARGE || spokenOf(name)) {
      load();
    }
  }

  /** Demos become live as they come near to what is seen; one that the address speaks of is shown. */
  function mountAll() {
    const figures = [...document.querySelectorAll("figure.cfgedu-demo")];
    const known = figures.filter(({ dataset: { demo } }) => cfgedu.demos[demo]); // its scene may come with its code
    const watch = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((entry) => {
      watch.unobserve(entry.target);
      prepare(entry.target);
    }), { rootMargin: NEAR });
    known.forEach((figure) => watch.observe(figure));
    const meant = known.find(({ dataset: { demo } }) => spokenOf(demo));
    if (meant) {
      meant.scrollIntoView({ block: "start", behavior: "instant" }); // smoothly, a page not yet drawn goes nowhere
    }
  }

  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", mountAll);
  } else {
    mountAll();
  }
})();
