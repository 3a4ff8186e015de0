// Samples of broken code beside those of the right one, and the lights: what a picture tells of a bug and what not. The
// letters of the bugs, their networks and their lights are those of notebook 16.

(function () {
  "use strict";
  const { CLASSES, color, plane, say } = cfgedu;
  const POINTS = 450, STEPS = 25, T = 1000, NONE = "none", ALL = "all at once";
  const GREEN = "#00795A", RED = "#C2410C";
  const LIGHTS = [
    "drop rate", "own coins", "labels kept", "times trained", "loss of the truth", "no label", "error of g",
    "last level", "labels asked", "r = 0", "r = 1", "r = 3", "times asked", "oracle", "fresh noise", "clip",
  ];
  const RED_LIGHTS = {
    [NONE]: [], A: ["oracle"], B: ["times asked"], C: ["own coins"], D: ["r = 0"],
    E: ["labels asked", "r = 0", "r = 3"], F: ["drop rate"], G: ["clip"], H: ["r = 0", "r = 1", "r = 3"],
    I: ["no label"], J: ["last level"],
    K: ["fresh noise"], L: ["times trained"], M: ["drop rate", "error of g"],
    [ALL]: LIGHTS.filter((name) => !["own coins", "labels kept", "loss of the truth", "r = 1"].includes(name)),
  };
  const TRAINED = ["C", "F", "I", "J", "L", "M", ALL]; // they change the training, so each has a network of its own

  /** The network of the file, from its tensors; with bug I class 0 and no label share a row. */
  function networkOf(tensors, name, shared) {
    const own = Object.entries(tensors).filter(([key]) => key.startsWith(`${name}.`));
    const named = Object.fromEntries(own.map(([key, tensor]) => [key.replace(`${name}.`, "model."), tensor]));
    const { shape: [, width], data } = named["model.label.weight"], net = cfgedu.workshop(named, { dim: 2, width });
    const rows = shared ? Float32Array.of(...data.subarray(0, width), ...data.subarray(0, -width)) : data;
    const frequency = Array.from({ length: 16 }, (_, k) => 10 ** (2 * k / 15));
    const told = net.embedding(cfgedu.wavesOf({ T }, frequency), ["time"]);
    return cfgedu.residual(net, told, rows, net.blocks("layers", 3));
  }

  /** The levels of the right file, or with bug J those of a schedule that stops short. */
  function scheduleOf(short) {
    const alphaBar = Float64Array.from(cfgedu.linear().alphaBar);
    if (short) {
      cfgedu.linspace(Math.sqrt(0.00085), Math.sqrt(0.012), T).forEach((root, t) => (
        (alphaBar[t + 1] = alphaBar[t] * (1 - root ** 2))
      ));
    }
    return cfgedu.makeSchedule(alphaBar);
  }

  /** The file with a bug, or all of them: draw(r, x, y) gives its samples. */
  function codeOf(tensors, bug) {
    const has = (letter) => bug === letter || bug === ALL, schedule = scheduleOf(has("J"));
    const model = networkOf(tensors, TRAINED.includes(bug) ? bug.split(" ")[0] : NONE, has("I"));

    function guided(x, t, y, scale) {
      const r = has("D") ? Math.max(scale, 1) : scale;
      const [un, cond] = [has("E") ? y : cfgedu.NULL, y].map((label) => schedule.x0(x, t, model(x, t, label)));
      const [a, b] = has("H") ? [-r, 1 + r] : [1 - r, r];
      return schedule.eps(x, t, un.map((u, i) => a * u + b * cond[i]));
    }

    return (r, start, y) => {
      let x = start;
      for (let i = STEPS; i > 0; i--) {
        const [t, s] = [i, i - 1].map((k) => (
          has("B") ? Math.floor(T / (STEPS + 1)) * k : Math.floor(T * k / STEPS)
        ));
        const eps = guided(x, t, y, r), x0 = schedule.x0(x, t, eps), to = has("A") ? Math.max(s, 1) : s;
        x = x0.map((u, k) => schedule.signal[to] * u + schedule.noiseLevel[to] * eps[k]);
      }
      return x;
    };
  }

  function make(networks) {
    const mixture = cfgedu.islands(), { y } = cfgedu.draw(mixture, POINTS, cfgedu.seeded(4)), codes = {}, known = {};
    const start = cfgedu.seeded(5).randn(2 * POINTS), { tensors } = networks["repair-networks"];
    const turns = cfgedu.linspace(0, 2 * Math.PI, 61);

    /** The samples of a file at a scale, and what is told of them. */
    function cloudOf(bug, r) {
      const key = `${bug} ${r}`;
      if (!known[key]) {
        codes[bug] = codes[bug] || codeOf(tensors, bug);
        const x = codes[bug](r, start, y), p = cfgedu.meanPosterior(mixture, x, y);
        known[key] = { x, p, spread: cfgedu.spread(mixture, x, y) };
      }
      return known[key];
    }

    return ({ bug, r }) => {
      const right = cloudOf(NONE, r), wrong = cloudOf(bug, r), red = RED_LIGHTS[bug];
      const text = say(
        "Bug {bug}, r = {r:.1f}. Right code: p(c|x) {right:.2f}, spread {width:.2f}; with the bug: p(c|x) " +
          "{wrong:.2f}, spread {other:.2f}. Red lights: {lights}",
        {
          bug: say(bug), r, lights: red.join(", ") || say("none"), right: right.p, width: right.spread, wrong: wrong.p,
          other: wrong.spread,
        },
      );

      function draw([left, middle, list]) {
        [[left, right], [middle, wrong]].forEach(([panel, { x }]) => {
          mixture.means.forEach(([u, v], j) => {
            const radius = 2 * mixture.std[j], tint = color(mixture.label[j]);
            const circle = [...turns].flatMap((a) => [u + radius * Math.cos(a), v + radius * Math.sin(a)]);
            panel.line(circle, { color: tint, width: 1 });
          });
          for (let k = 0; k < mixture.K; k++) {
            panel.dots(cfgedu.rowsOf(x, y, k), { color: CLASSES[k], radius: 1.4, alpha: 0.6 });
          }
          panel.frame();
        });
        LIGHTS.forEach((name, k) => {
          const off = red.includes(name);
          const look = { fill: off ? RED : GREEN, bold: off };
          list.text(0.05, 0.97 - k / LIGHTS.length, `${off ? "✗" : "✓"}  ${name}`, look);
        });
        list.frame();
      }
      return { text, draw, found: { right: right.p, wrong: wrong.p } };
    };
  }

  cfgedu.scenes.gallery = {
    make,
    goal: {
      words: say("At r = 1, find the one bug with which the samples are better than those of the right code."),
      reached: ({ bug, r }, { right, wrong }) => r === 1 && bug !== ALL && wrong > right + 0.05,
      hint: ({ bug, r }, { right, wrong }) => (
        r !== 1 ? say("Set r to 1.") : bug === ALL || bug === NONE ? say("Go through the letters, one by one.") : (
          say("p(c|x) is {wrong:.2f} with this bug, and {right:.2f} with the right code.", { wrong, right })
        )
      ),
      told: () => say(
        "Its pictures are better, and its code is wrong all the same: a picture does not show what was asked.",
      ),
    },
    panels: [
      plane({ title: "right code" }), plane({ title: "with the bug" }),
      { x: [0, 1], y: [0, 1], bare: true, ratio: 0.6, title: "the lights" },
    ],
  };
})();
