// The drop-rate explorer: the guidance vector of a network beside the exact one, for any rate and any null. All arrows
// are g in score units times the noise level, eps_un - eps_cond; errors are in these units too.

(function () {
  "use strict";
  const { longestOf, say } = cfgedu;
  const POINTS = 300, TIMES = 16; // test points and times behind the curve of the error

  function make(networks) {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), exact = cfgedu.denoiser(mixture, schedule).pair;
    const { x0, y } = cfgedu.draw(mixture, POINTS, cfgedu.seeded(0)), eps = cfgedu.seeded(1).randn(2 * POINTS);
    const times = Array.from({ length: TIMES }, (_, i) => (
      Math.max(1, cfgedu.rounded(schedule.T * ((i + 1) / TIMES) ** 1.5))
    ));
    const points = cfgedu.places(), outlines = cfgedu.outlinesOf(mixture), pairs = {}, curves = {}, signals = {};

    /** The network trained with this rate, with this null, as a pair. */
    function learned(rate, none) {
      const key = `${rate} ${none}`, checkpoint = networks[`dropout-${Math.round(100 * rate)}`];
      pairs[key] = pairs[key] || cfgedu.nullPair(cfgedu.mlp(checkpoint, { rows: cfgedu.withNull(checkpoint, none) }));
      return pairs[key];
    }

    const g = (pair, x, t, label) => {
      const [un, cond] = pair(x, t, label);
      return un.map((u, i) => u - cond[i]);
    };

    /** The exact g at the test points of a time, and its mean square. */
    function signalAt(t) {
      if (!signals[t]) {
        const x = schedule.noise(x0, t, eps), right = g(exact, x, t, y);
        signals[t] = { x, right, square: cfgedu.mean(right.map((u) => u * u)) };
      }
      return signals[t];
    }

    /** The mean squared error of a pair's g at a time. */
    function error(pair, t) {
      const { x, right } = signalAt(t);
      return cfgedu.mean(g(pair, x, t, y).map((u, i) => (u - right[i]) ** 2));
    }

    /** The error at all times, made when it is first asked for. */
    function curveOf(rate, none) {
      const key = `${rate} ${none}`;
      curves[key] = curves[key] || times.flatMap((t) => [t, error(learned(rate, none), t)]);
      return curves[key];
    }

    return ({ p_drop: rate, null: none, t, label }) => {
      const pair = learned(rate, none), here = error(pair, t), signal = signalAt(t).square;
      const text = say(
        "p_drop = {p_drop:g}, null: {null}, class {label}, t = {t}: mean squared error of g, all classes, " +
          "{here:.2g}; of the signal, the exact g itself, {signal:.2g}",
        { p_drop: rate, null: say(none), label, t, here, signal },
      );

      function draw([left, middle, right]) {
        const fields = [exact, pair].map((each) => g(each, points, t, label));
        const lines = outlines(schedule.alphaBar[t], label), longest = Math.max(...fields.map(longestOf));
        [left, middle].forEach((panel, k) => cfgedu.showField(panel, points, fields[k], lines, label, longest));
        const signals = times.flatMap((time) => [time, signalAt(time).square]);
        cfgedu.showError(right, signals, curveOf(rate, none), [t, here], here / signal);
      }
      return { text, draw, found: { share: here / signal } };
    };
  }

  cfgedu.scenes.dropout_explorer = {
    make,
    goal: {
      words: say(
        "With the learned row at t = 150: which is the smallest p_drop at which the error of g is below half of the " +
          "signal?",
      ),
      reached: ({ p_drop: rate, null: none, t }, { share }) => (
        rate === 0.02 && none === "learned row" && t === 150 && share < 0.5
      ),
      hint: ({ null: none, t }, { share }) => (
        t !== 150 ? say("Set t to 150.") : none !== "learned row" ? (
          say("Ask with the null that was there in training, the learned row.")
        ) : share < 0.5 ? (
          say("That is enough, {share:.2g} times the signal. Is a smaller rate enough as well?", { share })
        ) : say("The error is {share:.2g} times the signal.", { share })
      ),
      told: () => say("Two labels in a hundred, over all the batches, are thousands of samples that ask for no label."),
    },
    panels: cfgedu.fieldPanels([-6, -4, -2, 0], {
      x: [0, 1000], y: [1e-6, 2], xlabel: "time t", xticks: [0, 500, 1000],
    }),
  };
})();
