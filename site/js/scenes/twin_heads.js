// Two twin heads beside the exact pair: one whose trunk never sees the label, one whose trunk does. All three panels
// share the scale of their arrows, which the first one writes down.

(function () {
  "use strict";
  const { UN, G, LIM, rgb, color, grid, plane, longestOf, general, percent, say } = cfgedu;
  const ARROWS = 13, PIXELS = 41, POINTS = 2000; // arrows and pixels a side; points of all classes behind the numbers
  const LONGEST = 0.6; // drawn length of the longest of all arrows
  const FIELDS = {
    "guidance vector g": { symbol: "$g$", of: (un, cond) => un - cond },
    "unconditional score": { symbol: "$s_{un}$", of: (un) => -un },
    "conditional score": { symbol: "$s_{cond}$", of: (un, cond) => -cond },
  };

  /** 0.063 as 6.3%; far above 1 as a multiple, since at large t the exact g is smaller than any network's error. */
  function share(part) {
    return part < 9.995 ? percent(part, 1) : say("{share:.2g} times", { share: part });
  }

  function make(networks) {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear();
    const late = cfgedu.twinMlp(networks["twin-late"]), leaky = cfgedu.twinMlp(networks["twin-leaky"], { leaky: true });
    const pairs = [cfgedu.denoiser(mixture, schedule), late, leaky].map((model) => model.pair);
    const points = grid(ARROWS, LIM * (1 - 1 / ARROWS)), pixels = grid(PIXELS);
    const drawn = cfgedu.draw(mixture, POINTS, cfgedu.seeded(0)), noise = cfgedu.seeded(1).randn(2 * POINTS);

    return ({ t, label, shown }) => {
      const data = cfgedu.rowsOf(schedule.noise(drawn.x0, t, noise), drawn.y, label);
      const x = Float64Array.of(...points, ...data), { symbol, of } = FIELDS[shown];
      const fields = pairs.map((pair) => {
        const [un, cond] = pair(x, t, label);
        return un.map((u, i) => of(u, cond[i]) / schedule.noiseLevel[t]);
      });
      const [exact, ...learned] = fields.map((field) => field.subarray(points.length));
      const square = (u) => cfgedu.mean(u.map((value) => value * value)), signal = square(exact);
      const wrong = learned.map((u) => square(u.map((value, i) => value - exact[i])) / signal);
      const errors = wrong.map(share), sizes = learned.map((u) => share(square(u) / signal));
      const text = say(
        "t = {t}, class {label}, {shown}; exact mean square {signal:.2g}. late fusion: error {late}, size {size}; " +
          "leaky: error {leaky}, size {other}",
        { t, label, shown: say(shown), signal, late: errors[0], size: sizes[0], leaky: errors[1], other: sizes[1] },
      );

      function draw(panels) {
        const p = cfgedu.posteriorOf(mixture, pixels, schedule.alphaBar[t], label);
        const arrows = fields.map((field) => field.subarray(0, points.length));
        const longest = Math.max(...arrows.map(longestOf));
        const ground = rgb(color(label)), tint = { "$g$": G, "$s_{un}$": UN, "$s_{cond}$": color(label) }[symbol];
        panels.forEach((panel, k) => {
          panel.image(PIXELS, (i, pixel) => ground.forEach((c, j) => (pixel[j] = 255 - (255 - c) * p[i] / 2)));
          panel.arrows(points, arrows[k].map((u) => LONGEST / longest * u), { color: tint, width: 2 });
          panel.note(k ? `error ${errors[k - 1]}` : `${symbol}, longest ${general(longest, 2)}`);
          panel.frame();
        });
      }
      return { text, draw, found: { late: wrong[0], leaky: wrong[1] } };
    };
  }

  const WORSE = 3; // times
  cfgedu.scenes.twin_heads = {
    make,
    goal: {
      words: say("The leaky twin's g is all but gone. Which of its two predictions is to blame? Show it."),
      reached: ({ shown }, { late, leaky }) => shown === "unconditional score" && leaky > WORSE * late,
      hint: ({ shown }, { late, leaky }) => (
        shown === "guidance vector g" ? say("g is the difference of the two predictions: choose one of them.") : (
          shown === "conditional score" ? say(
            "Here late fusion errs by {late}, and the leaky twin by {leaky}: this prediction is not to blame.",
            { late: share(late), leaky: share(leaky) },
          ) : say(
            "Here late fusion errs by {late}, and the leaky twin by {leaky}: at this time one is like the other.",
            { late: share(late), leaky: share(leaky) },
          )
        )
      ),
      told: () => say(
        "Its head without a label knows what you ask for. Change the class: two panels stand still, this one turns.",
      ),
    },
    panels: [plane({ title: "exact" }), plane({ title: "late fusion" }), plane({ title: "leaky trunk" })],
  };
})();
