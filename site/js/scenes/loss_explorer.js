// The loss explorer: what a network is asked to hit at one noisy point, and the loss that remains.

(function () {
  "use strict";
  const { NULL, UN, GUIDED, color, say } = cfgedu;
  const DRAWS = 300, SAMPLES = 4000; // targets drawn at the point; samples behind each bucket's floor
  const EDGES = [0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1]; // of the buckets, as shares of T
  const DSM = "#B5893C", EPS = "#332288"; // no class's colours

  /** [[first t, last t], ..]: ten spans of times, narrower at small t, that together are 1..T. */
  function buckets(T) {
    const ends = EDGES.map((share) => Math.round(share * T));
    return ends.slice(1).map((high, k) => [ends[k] + 1, high]);
  }

  /** The exact denoiser's eps loss and unweighted DSM loss in each bucket: for class y, or all data unlabelled. */
  function bucketFloors(mixture, model, schedule, y) {
    const generator = cfgedu.seeded(0), drawn = cfgedu.draw(mixture, SAMPLES, generator);
    const x0 = y === NULL ? drawn.x0 : cfgedu.rowsOf(drawn.x0, drawn.y, y), n = x0.length / 2;
    const floors = { eps: [], dsm: [] };
    buckets(schedule.T).forEach(([low, high]) => {
      const t = generator.randint(low, high, n), eps = generator.randn(2 * n);
      const x = x0.map((u, i) => schedule.signal[t[i >> 1]] * u + schedule.noiseLevel[t[i >> 1]] * eps[i]);
      const square = model(x, t, y).map((e, i) => (e - eps[i]) ** 2);
      floors.eps.push(cfgedu.mean(square));
      floors.dsm.push(cfgedu.mean(square.map((s, i) => s / schedule.noiseLevel[t[i >> 1]] ** 2)));
    });
    return floors;
  }

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), model = cfgedu.denoiser(mixture, schedule);
    const spans = buckets(schedule.T), floors = {};

    return ({ bucket, label }) => {
      const [low, high] = spans[bucket - 1], t = Math.floor((low + high) / 2), a = schedule.alphaBar[t];
      floors[label] = floors[label] || bucketFloors(mixture, model, schedule, label);
      const { eps, dsm } = floors[label], width = ([first, last]) => last - first + 1;
      const all = dsm.reduce((sum, floor, k) => sum + floor * width(spans[k]), 0);
      const share = dsm[bucket - 1] * width(spans[bucket - 1]) / all;
      const text = say(
        "t = {low} to {high}: floor of the eps loss {eps:.2g}, of the unweighted DSM loss {dsm:.2g}: {share:.0%} of " +
          "that loss, from {part:.0%} of the times",
        { low, high, eps: eps[bucket - 1], dsm: dsm[bucket - 1], share, part: (high - low + 1) / schedule.T }
      );

      function draw([left, right]) {
        const first = mixture.means[mixture.label.indexOf(Math.max(label, 0))];
        const x0 = Float64Array.from(first, (m) => m + 0.2);
        const x = schedule.noise(x0, t, [0.8, -0.6]); // the same x_0 and noise at every level
        const drawn = cfgedu.drawX0(mixture, x, label, a, DRAWS, cfgedu.seeded(1));
        const noise = drawn.map((u, i) => (x[i % 2] - schedule.signal[t] * u) / schedule.noiseLevel[t]);
        left.line([-3.6, 0, 3.6, 0], { color: "#DDDDDD", width: 0.8 });
        left.line([0, -3.6, 0, 3.6], { color: "#DDDDDD", width: 0.8 });
        left.dots(noise, { color: color(label), radius: 1.6, alpha: 0.6 });
        left.marks(model(x, t, label), "X", { size: 4.5, width: 3, edge: "#FFFFFF" });
        left.title(`targets at one $x_t$,  t = ${t}`);
        left.frame((entry) => (entry.form === "dot" ? { ...entry, color: color(label) } : entry));
        right.bar(bucket, 3e4, { color: "#EEEEEE", width: 1, from: 1e-4 });
        [[DSM, dsm], [EPS, eps]].forEach(([tint, floor]) => {
          const line = floor.flatMap((value, k) => [k + 1, value]);
          right.line(line, { color: tint, width: 1.5 });
          right.dots(line, { color: tint, radius: 3 });
        });
        right.frame();
      }
      return { text, draw, found: { share } };
    };
  }

  const powers = { "-4": "⁻⁴", "-2": "⁻²", 0: "⁰", 2: "²", 4: "⁴" };
  cfgedu.scenes.loss_explorer = {
    make,
    goal: {
      words: say("Find the bucket of times that has most of the unweighted DSM loss."),
      reached: (state, { share }) => share > 0.5,
      hint: (state, { share }) => say("This one has {share:.0%} of it.", { share }),
      told: (state, { share }) => (
        say("{share:.0%} of that loss come from 1% of the times, where the target is mostly noise.", { share })
      ),
    },
    panels: [
      {
        x: [-3.6, 3.6], y: [-3.6, 3.6], xticks: [-2, 0, 2], yticks: [-2, 0, 2], xlabel: "$ϵ_1$", ylabel: "$ϵ_2$",
        legend: [
          { label: "noises that may be in $x_t$", form: "dot", color: UN, size: 2.5 },
          { label: "their mean: the best answer", form: "X", color: GUIDED, edge: "#FFFFFF", width: 3 },
        ],
      },
      {
        x: [0.5, 10.5], y: [1e-4, 3e4], yscale: Math.log10, ratio: 1.25, title: "the loss of the exact answer",
        xticks: buckets(1000).map(([low], k) => [k + 1, `${low}–`]), tickSize: 10, xlabel: "bucket of times t, from",
        yticks: Object.keys(powers).map((p) => [10 ** p, `10${powers[p]}`]), ylabel: "floor of the loss", wide: 6,
        legend: [
          { label: "DSM, unweighted", form: "line-dot", color: DSM, size: 3 },
          { label: "eps loss", form: "line-dot", color: EPS, size: 3 },
        ],
      },
    ],
  };
})();
