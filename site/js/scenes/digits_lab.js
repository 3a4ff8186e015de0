// The digits lab: ten digits of one class from ten noises, and what a judge takes them for.

(function () {
  "use strict";
  const { CLASSES, UN, fixed, say } = cfgedu;
  const COUNT = 10, COLUMNS = 5, SIZE = 8, FACTOR = 6, SIDE = SIZE * FACTOR, GAP = FACTOR; // in pixels of the sheet
  const WIDE = COLUMNS * (SIDE + GAP) - GAP, HIGH = 2 * (SIDE + GAP) - GAP;
  const WRONG = "#A04700", ASKED = CLASSES[0]; // a darker vermilion, and blue
  const KEPT = 64; // results that are kept

  const within = (u) => Math.min(Math.max(u, -1), 1);

  function make(networks) {
    const net = cfgedu.mlp(networks["digits-mlp"]), judge = cfgedu.judge(networks["digits-judge"]);
    const schedule = cfgedu.linear();
    const pixels = SIZE * SIZE, known = new Map();

    /** Ten digits, the judge's features of them and its probabilities. */
    function drawn(label, r, steps, seed, clip) {
      const key = [label, r, steps, seed, clip].join();
      if (!known.has(key)) {
        const guided = cfgedu.guidedBy(net, r), model = clip ? cfgedu.clipX0(guided, schedule) : guided;
        const start = cfgedu.seeded(seed).randn(COUNT * pixels);
        const x = cfgedu.sample(cfgedu.ddimStep, model, schedule, start, label, steps);
        const features = judge.features(x);
        known.set(key, { x, features, p: judge.probabilities(features) });
        if (known.size > KEPT) {
          known.delete(known.keys().next().value); // the oldest
        }
      }
      return known.get(key);
    }

    return ({ label, r, steps, seed, clip }) => {
      const { x, features, p } = drawn(label, r, steps, seed, clip), { K } = judge;
      const guess = Array.from({ length: COUNT }, (_, i) => {
        const own = p.subarray(K * i, K * i + K);
        return own.indexOf(Math.max(...own));
      });
      const agree = guess.filter((k) => k === label).length, atOne = drawn(label, 1, steps, seed, clip).features;
      const text = say(
        "class {label}, r = {r:.1f}, {steps} steps: the judge agrees on {right} of {count}; diversity {spread:.1f} " +
          "(at r = 1: {at_one:.1f}); largest |pixel| {largest:.1f}",
        {
          label, r, steps, right: agree, count: COUNT, spread: cfgedu.diversity(features, COUNT),
          at_one: cfgedu.diversity(atOne, COUNT), largest: x.reduce((most, u) => Math.max(most, Math.abs(u)), 0),
        },
      );

      function draw([left, right]) {
        for (let i = 0; i < COUNT; i++) {
          showDigit(left, x.subarray(pixels * i, pixels * i + pixels), corner(i), guess[i] === label ? null : guess[i]);
        }
        left.title(`you asked for ${label}, r = ${fixed(r, 1)}`);
        left.frame();
        for (let k = 0; k < K; k++) {
          const mean = cfgedu.mean(Array.from({ length: COUNT }, (_, i) => p[K * i + k]));
          right.bar(k, mean, { color: k === label ? ASKED : UN, width: 0.8 });
        }
        right.frame();
      }
      const most = Math.max(...guess.map((k) => guess.filter((other) => other === k).length));
      return { text, draw, found: { agree, most } };
    };
  }

  /** The upper left corner of the i-th digit on the sheet, whose y runs upwards from its lower edge. */
  function corner(i) {
    return [i % COLUMNS * (SIDE + GAP), HIGH - Math.floor(i / COLUMNS) * (SIDE + GAP)];
  }

  /** One digit, with a frame and the judge's guess where it is another one. */
  function showDigit(panel, x, [left, top], guess) {
    const smooth = enlarged(x);
    panel.image(SIDE, (k, pixel) => (
      pixel.fill(Math.round(127.5 * (1 + smooth[(SIDE - 1 - Math.floor(k / SIDE)) * SIDE + k % SIDE])))
    ), [left + 0.5, left + SIDE - 0.5, top - SIDE + 0.5, top - 0.5]);
    if (guess !== null) {
      const [right, low] = [left + SIDE, top - SIDE];
      panel.line([left, top, right, top, right, low, left, low, left, top], { color: WRONG, width: 3 });
      panel.areas([[left, top, left + 10, top, left + 10, top - 13, left, top - 13]], { color: WRONG, alpha: 1 });
      panel.text(left + 5, top - 10, String(guess), { fill: "#FFFFFF", align: "center", size: 13, bold: true });
    }
  }

  /** The weights of four neighbours at the distances 1 + u, u, 1 - u, 2 - u: cubic convolution with a = -0.75. */
  function cubic(u) {
    const near = (d) => (1.25 * d - 2.25) * d * d + 1, far = (d) => ((-0.75 * d + 3.75) * d - 6) * d + 3;
    return [far(1 + u), near(u), near(1 - u), far(2 - u)];
  }

  /** An image clipped to [-1, 1], FACTOR times as large, with smooth values between its pixels. */
  function enlarged(x) {
    const clipped = x.map(within), places = Array.from({ length: SIDE }, (_, i) => {
      const at = (i + 0.5) / FACTOR - 0.5, first = Math.floor(at);
      const near = [-1, 0, 1, 2].map((k) => Math.min(Math.max(first + k, 0), SIZE - 1));
      return { near, weights: cubic(at - first) };
    });
    const mix = ({ near, weights }, value) => near.reduce((sum, k, j) => sum + weights[j] * value(k), 0);
    const wide = places.map((place) => (
      Array.from({ length: SIZE }, (_, row) => mix(place, (k) => clipped[row * SIZE + k]))
    ));
    return Float64Array.from({ length: SIDE * SIDE }, (_, i) => (
      within(mix(places[Math.floor(i / SIDE)], (row) => wide[i % SIDE][row]))
    ));
  }

  cfgedu.scenes.digits_lab = {
    make,
    goal: {
      words: say("At r = 0, ask for the digit that the judge sees most often."),
      reached: ({ r }, { agree, most }) => r === 0 && agree === most,
      hint: ({ r, label }, { agree }) => (
        r ? say("Set r to 0.") : (
          say("It sees a {label} {agree} times. Another digit is there more often.", { label, agree })
        )
      ),
      told: () => say(
        "These ten are the same whatever you ask for: at r = 0 the label plays no part, so it is met by chance.",
      ),
    },
    panels: [
      {
        x: [0, WIDE], y: [0, HIGH], ratio: WIDE / HIGH, bare: true,
        xlabel: "in orange: the other digit that the judge sees",
      },
      {
        x: [-0.6, 9.6], y: [0, 1.02], xticks: [...Array(10).keys()], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1], ratio: 1.2,
        xlabel: "digit", ylabel: "mean probability", title: "what the judge sees (blue: asked for)",
      },
    ],
  };
})();
