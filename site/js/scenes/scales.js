// The dial of guidance: its scales side by side on one number line, and what the samples do as it turns.

(function () {
  "use strict";
  const { CLASSES, UN, G, GUIDED, INK, plane, general, fixed, say } = cfgedu;
  const POINTS = 450, STEPS = 25, LOW = -1, HIGH = 8;
  const ROWS = [["$r$, this course", 2], ["$w$, Ho & Salimans", 1], ["guidance_scale, classic diffusers", 0]];
  const WORDS = [[0.36, "no\nlabel", UN, "right"], [1, "plain\nlabel", INK, "center"],
    [4.8, "guided: beyond the label", G, "center"]];

  /** r, w and guidance_scale, one above the other: what lies on one vertical is the same model. */
  function numberLine(panel, r) {
    panel.bar((1 + HIGH + 0.5) / 2, 3.3, { color: G, width: HIGH - 0.5, from: -1, alpha: 0.08 });
    panel.bar(r, 2.35, { color: GUIDED, width: 0.22, from: -0.45, alpha: 0.22 });
    const full = [], hollow = [];
    ROWS.forEach(([name, height]) => {
      panel.line([LOW, height, HIGH, height], { color: INK });
      panel.text(HIGH, height + 0.2, name, { align: "right", bold: true });
      for (let at = LOW; at <= HIGH; at++) {
        const gated = height === 0 && at <= 1; // this library guides above 1 only
        (gated ? hollow : full).push(at, height);
        const value = height === 1 ? cfgedu.wFromR(at) : at;
        panel.text(at, height - 0.36, `${value}`, { align: "center", fill: gated ? UN : INK });
      }
    });
    panel.dots(full, { color: INK, radius: 3, edge: INK });
    panel.dots(hollow, { color: "#FFFFFF", radius: 3, edge: INK });
    ["hollow: 1 or less leaves guidance out,", "so the plain label"].forEach((row, k) => (
      panel.text(HIGH, -0.66 - 0.24 * k, row, { align: "right", size: 11 })
    ));
    WORDS.forEach(([at, words, fill, align]) => words.split("\n").reverse().forEach((word, k) => (
      panel.text(at, 2.62 + 0.24 * k, word, { align, fill })
    )));
    panel.frame();
  }

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear();
    const pair = cfgedu.nullPair(cfgedu.denoiser(mixture, schedule));
    const start = cfgedu.seeded(0).randn(2 * POINTS), { y } = cfgedu.draw(mixture, POINTS, cfgedu.seeded(1));

    return ({ r }) => {
      const x = cfgedu.sample(cfgedu.ddimStep, cfgedu.guided(pair, r), schedule, start, y, STEPS);
      const landed = cfgedu.classAccuracy(mixture, x, y);
      const library = r > 1 ? general(r) : r < 1 ? say("cannot do this") : say("1 (or less)");
      const text = say(
        "r = {r:g}, w = {w:.2g}, guidance_scale: {library}; landed in the class asked for: {share:.0%}",
        { r, w: cfgedu.wFromR(r), library, share: landed }
      );

      function draw([left, right]) {
        numberLine(left, r);
        for (let k = 0; k < mixture.K; k++) {
          right.dots(cfgedu.rowsOf(x, y, k), { color: CLASSES[k], radius: 1.3 });
        }
        right.note(`r = ${fixed(r, 1)}`);
        right.frame();
      }
      return { text, draw, found: { landed } };
    };
  }

  const asked = [0, 1, 2].map((k) => ({ label: `asked for class ${k}`, form: "dot", color: CLASSES[k], size: 3 }));
  cfgedu.scenes.scales = {
    make,
    goal: {
      words: say("Find the r at which half of the samples land in the class asked for."),
      reached: (state, { landed }) => Math.abs(landed - 0.5) < 0.03,
      hint: (state, { landed }) => (
        landed > 0.5 ? say("{share:.0%} land in it: lower r.", { share: landed }) : (
          say("{share:.0%} land in it: raise r.", { share: landed })
        )
      ),
      told: () => say("A little of the label is enough: even without it, at r = 0, two in five land right by chance."),
    },
    panels: [
      { x: [LOW - 0.5, HIGH + 0.5], y: [-1, 3.3], ratio: 1.25, bare: true },
      plane({ title: "all three classes", legend: asked }),
    ],
  };
})();
