// Ten digits of one class from ten noises, and what a judge takes them for: the work behind the MNIST lab.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const COUNT = 10, KEPT = 64; // digits of a set; sets that are kept

  /**
   * The lab of checkpoints {"mnist-unet", "mnist-judge", later "mnist-twin-unet"}: lab(state) is a generator, which
   * yields {x, done, all} after every step, `done` of `all`, and returns {x, guess, mean, spread, atOne, largest}: the
   * digits, the judge's class of each and its mean probabilities, how much the digits differ, guess and spread at r = 1
   * from the same noise, and the largest |pixel|.
   */
  function digits(checkpoints, fast = undefined) {
    const judge = cfgedu.judge(checkpoints["mnist-judge"], fast), side = checkpoints["mnist-judge"].about.config.size;
    const { data: alphaBar } = checkpoints["mnist-unet"].tensors.alpha_bar, schedule = cfgedu.makeSchedule(alphaBar);
    const made = {}, known = new Map();

    function network(name) {
      const file = name === "twin" ? "mnist-twin-unet" : "mnist-unet";
      return (made[name] = made[name] || cfgedu.unet(checkpoints[file], side, fast));
    }

    function judged(x) {
      const features = judge.features(x), p = judge.probabilities(features), { K } = judge;
      const guess = Array.from({ length: COUNT }, (_, i) => {
        const own = p.subarray(i * K, i * K + K);
        return own.indexOf(Math.max(...own));
      });
      const mean = Array.from({ length: K }, (_, k) => cfgedu.mean(guess.map((_, i) => p[i * K + k])));
      return { guess, mean, spread: cfgedu.diversity(features, COUNT) };
    }

    /** One set of digits, drawn once. `before` steps are done, of `all`; what is there to see meanwhile is `shown`. */
    function* drawn({ label, r, steps, seed, clip, network: name }, before, all, shown = null) {
      const key = [label, r, steps, seed, clip, name].join(" ");
      if (!known.has(key)) {
        const noise = cfgedu.seeded(seed).randn(COUNT * side * side), model = cfgedu.guidedBy(network(name), r);
        const used = clip ? cfgedu.clipX0(model, schedule) : model;
        let done = before, x = noise;
        for (x of cfgedu.stepped(cfgedu.ddimStep, used, schedule, noise, label, steps)) {
          yield { x: shown || x, done: done++, all };
        }
        known.set(key, { x, ...judged(x) });
        if (known.size > KEPT) {
          known.delete(known.keys().next().value); // the oldest
        }
      }
      return known.get(key);
    }

    return function* (state) {
      const all = state.steps * (state.r === 1 ? 1 : 2), found = yield* drawn(state, 0, all);
      const plain = yield* drawn({ ...state, r: 1 }, state.steps, all, found.x);
      const largest = found.x.reduce((most, u) => Math.max(most, Math.abs(u)), 0);
      return { ...found, atOne: { guess: plain.guess, spread: plain.spread }, largest };
    };
  }

  Object.assign(cfgedu, { digits });
})();
