// Baselines: a cloud of thin branches under guidance, with another model in the place of the unconditional one.

(function () {
  "use strict";
  const { GUIDED, UN, color, fixed, percent, say } = cfgedu;
  const LABEL = 1, POINTS = 600, STEPS = 24, PIXELS = 161;
  const SCALES = [1, 1.5, 2, 3, 4, 5]; // of the grey curve
  const ACROSS = [-2.21, 0.42], UP = [-2.27, 0.38]; // the window of the left-hand picture
  const NO_LABEL = "no label (CFG)", RANDOM = "a random label", EXACT = "exact scores", WEAK = "a weaker one";
  const NETWORKS = {
    "the strong network": "branches-strong", [WEAK]: "branches-weak", "one too weak": "branches-too-weak",
  };

  function make(networks) {
    const mixture = cfgedu.branches(), schedule = cfgedu.linear(), exact = cfgedu.denoiser(mixture, schedule);
    const start = cfgedu.seeded(7).randn(2 * POINTS), times = cfgedu.evenAngles(schedule, STEPS);
    const data = cfgedu.draw(mixture, 20000, cfgedu.seeded(8)), own = cfgedu.rowsOf(data.x0, data.y, LABEL);
    const lowest = cfgedu.edgeOfSupport(mixture, own, LABEL), models = { [EXACT]: exact }, curves = {};
    Object.entries(NETWORKS).forEach(([name, file]) => (models[name] = cfgedu.mlp(networks[file])));
    let outlines = null, last = {};

    /** The model asked with labels drawn anew for each row and call, the same ones for every state. */
    function randomLabel(model) {
      const generator = cfgedu.seeded(5);
      return (x, t) => model(x, t, generator.randint(0, mixture.K - 1, x.length / 2));
    }

    function pairOf(model, baseline) {
      const net = models[model];
      if (baseline === NO_LABEL) {
        return cfgedu.nullPair(net);
      }
      return cfgedu.twoModels(baseline === RANDOM ? randomLabel(net) : models[baseline], net);
    }

    /** The cloud at a scale, which of its points stray, their share, and the share of the class that is lost. */
    function cloudAt(model, baseline, r) {
      const guided = cfgedu.guided(pairOf(model, baseline), r);
      const x = cfgedu.sample(cfgedu.ddimStep, guided, schedule, start, LABEL, times);
      const off = cfgedu.logProb(mixture, x, LABEL).map((log) => (log < lowest ? 1 : 0));
      return { x, off, share: cfgedu.mean(off), lost: cfgedu.lostShare(mixture, x, LABEL) };
    }

    /** The grey curve as [lost, share, ..], which grows by one scale with every call for a state that is known. */
    function curveOf(model, baseline, grows) {
      const curve = curves[`${model} ${baseline}`] = curves[`${model} ${baseline}`] || [];
      if (grows && curve.length < 2 * SCALES.length) {
        const { lost, share } = cloudAt(model, baseline, SCALES[curve.length / 2]);
        curve.push(lost, share);
      }
      return curve;
    }

    return ({ model, baseline, r }) => {
      const key = [model, baseline, r].join(), again = last.key === key; // first the cloud, then what is behind it
      last = again ? last : { key, ...cloudAt(model, baseline, r) };
      const { x, off, share, lost } = last, curve = curveOf(model, baseline, again);
      const text = say(
        "{model}, baseline: {baseline}, r = {r:.2f}: {share:.1%} stray off the data (data 1.0%), {lost:.1%} of the " +
          "class is lost; {points} points of class {label}, DDIM, {steps} steps",
        {
          model: say(model), baseline: say(baseline), r, share, lost, points: POINTS, label: LABEL, steps: STEPS,
        },
      );

      function draw([left, right]) {
        outlines = outlines || supportOf(mixture, lowest);
        left.areas(outlines, { color: color(LABEL), alpha: 0.13, edge: color(LABEL) });
        left.dots(x.filter((_, i) => !off[i >> 1]), { color: color(LABEL), radius: 1.6, alpha: 0.6 });
        left.marks(x.filter((_, i) => off[i >> 1]), "x", { size: 2.5, width: 1 });
        left.title(`r = ${fixed(r, 2)}: strays ${percent(share, 1)}, lost ${percent(lost, 1)}`);
        left.frame();
        right.line(curve, { color: UN });
        right.dots(curve, { color: UN, radius: 2 });
        right.marks(curve.slice(0, 2), "s", { color: "#FFFFFF", edge: UN });
        right.dots([lost, share], { radius: 4.5 });
        right.frame();
      }
      const whole = curve.length === 2 * SCALES.length;
      const later = whole ? undefined : new Promise((done) => setTimeout(done));
      return { text, draw, later, found: { share, lost } };
    };
  }

  /** The outlines of the region that holds all but 1% of the class. */
  function supportOf(mixture, lowest) {
    const [across, up] = [ACROSS, UP].map(([low, high]) => cfgedu.linspace(low, high, PIXELS));
    const points = Float64Array.from({ length: 2 * PIXELS * PIXELS }, (_, i) => (
      i % 2 ? up[Math.floor(i / 2 / PIXELS)] : across[(i >> 1) % PIXELS]
    ));
    return cfgedu.contour(cfgedu.logProb(mixture, points, LABEL), PIXELS, lowest, [...ACROSS, ...UP]);
  }

  const MOST = { share: 0.14, lost: 0.3 };
  /** What speaks against a baseline, by its share of strays. */
  function against(baseline, share) {
    return {
      [NO_LABEL]: say(
        "{share:.0%} stray. No label pulls away from the other class, which is not where these strays come from.",
        { share },
      ),
      [RANDOM]: say(
        "{share:.0%} stray. A random label is the right one or the other class, and not where these strays come from.",
        { share },
      ),
      "one too weak": say(
        "{share:.0%} stray. So weak a network is wrong everywhere, and this points away from nothing.", { share },
      ),
    }[baseline];
  }

  cfgedu.scenes.baselines = {
    make,
    goal: {
      words: say(
        "Guide the strong network so that fewer than {share:.0%} stray, and less than {lost:.0%} of the class is lost.",
        MOST,
      ),
      reached: ({ model }, { share, lost }) => model !== EXACT && share < MOST.share && lost < MOST.lost,
      hint: ({ model, baseline }, { share, lost }) => (
        model === EXACT ? say("Exact scores have no strays to lose: choose the strong network.") : (
          against(baseline, share) || (share < MOST.share ? (
            say("{lost:.0%} of the class is lost: lower r.", { lost })
          ) : say("{share:.0%} stray: raise r.", { share }))
        )
      ),
      told: () => say("A baseline that makes the same mistakes, only larger ones, points away from them."),
    },
    panels: [
      {
        x: ACROSS, y: UP, ratio: (ACROSS[1] - ACROSS[0]) / (UP[1] - UP[0]), xticks: [-2, -1, 0], yticks: [-2, -1, 0],
        xlabel: "$x_1$", ylabel: "$x_2$",
      },
      {
        x: [-0.02, 1.02], y: [-0.02, 1.02], xticks: [0, 0.2, 0.4, 0.6, 0.8, 1], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
        xlabel: "share of the class that is lost", ylabel: "share off the data", title: "strays against lost branches",
        legend: [
          { label: "r = 1, 1.5, 2, 3, 4, 5", form: "line-dot", color: UN, size: 2.5, width: 1.2 },
          { label: "r = 1", form: "s", color: UN, fill: "#FFFFFF", width: 1.2 },
          { label: "this cloud", form: "dot", color: GUIDED },
        ],
      },
    ],
  };
})();
