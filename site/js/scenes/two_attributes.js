// Two attributes: one cloud, two scales, one for each attribute, two formulas, and a negative condition.

(function () {
  "use strict";
  const { NULL, CLASSES, GUIDED, grid, plane, general, say } = cfgedu;
  const FIRST = ["left", "right"], SECOND = ["down", "up"]; // the values of the two attributes
  const POINTS = 200, STEPS = 20, PIXELS = 71, DEPTH = 5;
  const PLACES = FIRST.flatMap((a) => SECOND.map((b) => `${a}, ${b}`));

  function make() {
    const schedule = cfgedu.straight(), [a, b] = cfgedu.twoAttributes();
    const label = a.label.map((k, j) => 2 * k + b.label[j]);
    const both = cfgedu.makeMixture(a.means, [...a.std], [...a.weight], label);
    const [joint, first, second] = [both, a, b].map((mixture) => cfgedu.denoiser(mixture, schedule));
    const conditions = { none: [joint, NULL] };
    FIRST.forEach((name, k) => (conditions[name] = [first, k]));
    SECOND.forEach((name, k) => (conditions[name] = [second, k]));
    PLACES.forEach((name, k) => (conditions[name] = [joint, k]));
    const start = cfgedu.seeded(9).randn(2 * POINTS), times = cfgedu.evenAngles(schedule, STEPS);
    const data = cfgedu.draw(both, 200000, cfgedu.seeded(3)); // where each combination's lowest hundredth ends
    const lowest = PLACES.map((_, k) => cfgedu.edgeOfSupport(both, cfgedu.rowsOf(data.x0, data.y, k), k));
    const log = cfgedu.logProb(both, grid(PIXELS), NULL), top = Math.max(...log);
    const shade = log.map((value) => 255 * (1 - 0.35 * Math.max(0, 1 + (value - top) / DEPTH)));
    const paint = (k, pixel) => pixel.fill(shade[k]);

    const prediction = (name) => (x, t) => conditions[name][0](x, t, conditions[name][1]);

    return ({ first: one, second: two, r_a: rA, r_b: rB, formula, negative }) => {
      const chained = formula === "chained", third = prediction(chained ? `${one}, ${two}` : two);
      const [base, epsA] = [negative, one].map(prediction), nothing = negative === "none";
      const withNothing = (x, t) => first.pair(x, t, FIRST.indexOf(one)); // both for the price of one
      const pair = nothing ? withNothing : (x, t) => [base(x, t), epsA(x, t)];

      /** base + r_a (eps_a - base) + r_b (eps_ab - eps_a), or, summed, + r_b (eps_b - base) */
      function composed(x, t) {
        const [atBase, atA] = pair(x, t), further = third(x, t), from = chained ? atA : atBase, eps = atBase.slice();
        for (let i = 0; i < eps.length; i++) {
          eps[i] += rA * (atA[i] - atBase[i]) + rB * (further[i] - from[i]);
        }
        return eps;
      }

      const wanted = PLACES.indexOf(`${one}, ${two}`);
      const x = cfgedu.sample(cfgedu.ddimStep, composed, schedule, start, wanted, times);
      const p = cfgedu.posterior(both, x), own = (k) => cfgedu.mean(p.filter((_, i) => i % 4 === k));
      const shares = PLACES.map((_, k) => own(k)), i = FIRST.indexOf(one), j = SECOND.indexOf(two);
      const [pA, pB] = [shares[2 * i] + shares[2 * i + 1], shares[j] + shares[2 + j]];
      const outside = cfgedu.mean(cfgedu.logProb(both, x, wanted).map((value) => (value < lowest[wanted] ? 1 : 0)));
      const baseline = negative === "none" ? say("no condition") : say(negative);
      const text = say(
        "{formula}, r_a = {r_a:.2f}, r_b = {r_b:.2f}, baseline: {baseline}. Means over the samples: " +
          "p({a} | x) = {p_a:.2f}, p({b} | x) = {p_b:.2f}; {outside:.0%} lie off the data of {a}, {b}",
        { formula: say(formula), r_a: rA, r_b: rB, baseline, a: say(one), b: say(two), p_a: pA, p_b: pB, outside }
      );

      function draw([left, right]) {
        left.image(PIXELS, paint);
        left.dots(x, { color: CLASSES[wanted], radius: 1.7, alpha: 0.6 });
        left.title(`guided to: ${one} with ${general(rA)}, ${two} with ${general(rB)}`);
        left.frame();
        cfgedu.classBars(right, shares, both.prior);
        right.frame();
      }
      return { text, draw, found: { pA, pB, outside } };
    };
  }

  cfgedu.scenes.two_attributes = {
    make,
    goal: {
      words: say("Left and up, summed, with equal scales: bring both means to 0.97, with at most 2% off the data."),
      reached: ({ first, second, formula, r_a: rA, r_b: rB }, { pA, pB, outside }) => (
        first === "left" && second === "up" && formula === "summed" && rA === rB &&
          Math.min(pA, pB) >= 0.97 && outside <= 0.02
      ),
      hint: ({ first, second, formula, r_a: rA, r_b: rB }, { pA, pB, outside }) => (
        first !== "left" || second !== "up" || formula !== "summed" ? say("Choose left, up and the sum.") : (
          rA !== rB ? say("Make the two scales equal.") : (
            say(
              "The smaller mean is {least:.3f}, and {outside:.0%} lie off the data.",
              { least: Math.min(pA, pB), outside }
            )
          )
        )
      ),
      told: () => say("The chain does it at 1.25. The sum takes the attributes for independent, and needs more."),
    },
    panels: [
      plane({ ylabel: "$x_2$" }),
      {
        x: [-0.6, 3.6], y: [0, 1.02], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1], ratio: 0.8, title: "mean of $p(a, b|x)$",
        xticks: PLACES.map((name, k) => [k, name.replace(", ", ",\n")]), below: 14,
        legend: [{ label: "share of the data", color: GUIDED }],
      },
    ],
  };
})();
