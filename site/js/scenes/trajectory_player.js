// The trajectory player: one cloud on its way from noise to data, under any of the four samplers.

(function () {
  "use strict";
  const { CLASSES, color, plane, fixed, say } = cfgedu;
  const POINTS = 240, TRACKED = 12, TAIL = 8; // dots; how many draw their path; steps of it shown behind a dot

  function make() {
    const mixture = cfgedu.islands(), schedule = cfgedu.linear(), model = cfgedu.denoiser(mixture, schedule);
    const generator = cfgedu.seeded(4), { y } = cfgedu.draw(mixture, POINTS, generator);
    const start = generator.randn(2 * POINTS), noise = cfgedu.replayed(5);
    const square = ([u, v], j) => mixture.weight[j] * (u * u + v * v + 2 * mixture.std[j] ** 2);
    const meanSquare = mixture.means.map(square).reduce((sum, part) => sum + part, 0); // E |x_0|^2
    let last = {}, backdrop = null;

    function walk(sampler, steps, eta) {
      const key = [sampler, steps, eta].join();
      if (last.key !== key) {
        const step = (...given) => cfgedu.SAMPLERS[sampler](...given, eta);
        const states = cfgedu.trajectory(step, model, schedule, start, y, steps, noise());
        last = { key, states, times: schedule.grid(steps) };
      }
      return last;
    }

    return ({ sampler, steps, eta, progress }) => {
      const { states, times } = walk(sampler, steps, eta), i = cfgedu.rounded(progress * steps / 100), t = times[i];
      const name = sampler === "DDIM" ? `DDIM, eta = ${fixed(eta, 2)}` : sampler, a = schedule.alphaBar[t];
      const got = Math.sqrt(2 * cfgedu.mean(states[i].map((u) => u * u)));
      const exact = Math.sqrt(a * meanSquare + 2 * (1 - a));
      const text = say(
        "{name}, step {i} of {steps}, t = {t}; rms radius of the cloud {got:.3f}, of the exact p_t {exact:.3f}",
        { name, i, steps, t, got, exact }
      );

      function draw([left, right]) {
        backdrop = backdrop || cfgedu.strip(mixture, schedule);
        backdrop(right);
        const path = states.slice(0, i + 1), tail = path.slice(-TAIL - 1);
        for (let k = 0; k < TRACKED; k++) {
          const tint = color(y[k]); // lines of a pixel or less are drawn fastest, and here are many
          left.line(tail.flatMap((x) => [x[2 * k], x[2 * k + 1]]), { color: tint, width: 0.8, alpha: 0.8 });
          right.line(path.flatMap((x, s) => [times[s], x[2 * k + 1]]), { color: tint, width: 1, alpha: 0.9 });
        }
        for (let k = 0; k < mixture.K; k++) {
          left.dots(cfgedu.rowsOf(states[i], y, k), { color: color(k), radius: 1.7, alpha: 0.8 });
        }
        right.line([t, -cfgedu.LIM, t, cfgedu.LIM], { width: 1 });
        left.title(`${name}: t = ${t}`);
        left.frame();
        right.frame();
      }
      return { text, draw, found: { got, exact } };
    };
  }

  cfgedu.scenes.trajectory_player = {
    make,
    goal: {
      words: say("Go all the way in 5 steps, and end with a radius within 0.1 of the exact one."),
      reached: ({ progress, steps }, { got, exact }) => progress === 100 && steps === 5 && Math.abs(got - exact) < 0.1,
      hint: ({ progress, steps }, { got, exact }) => (
        progress < 100 ? say("Set progress to 100.") : steps !== 5 ? say("Take 5 steps.") : (
          say("The radius is off by {off:.2f}: try the other samplers.", { off: Math.abs(got - exact) })
        )
      ),
      told: () => say(
        "The radius is about right, and yet the islands are far too wide: one number does not judge a cloud."
      ),
    },
    uses: (control, state) => control !== "eta" || state.sampler === "DDIM",
    panels: [
      plane({
        xlabel: "$x_1$", ylabel: "$x_2$",
        legend: [0, 1, 2].map((k) => ({ label: `class ${k}`, form: "dot", color: CLASSES[k], size: 2.5 })),
      }),
      plane({
        x: [1000, 0], xticks: [1000, 750, 500, 250, 0], ratio: 1.15, xlabel: "time t", ylabel: "$x_2$",
        title: `${TRACKED} paths over the exact $p_t(x_2)$`,
      }),
    ],
  };
})();
