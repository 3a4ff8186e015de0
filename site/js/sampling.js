// Classifier-free guidance, and four ways to take one step from time t to time s < t, as in cfgedu.guidance and
// cfgedu.samplers. A model is a function (x, t, y) -> eps; a pair (x, t, y) -> [eps_un, eps_cond].
//
//   guided prediction = u_un + r (u_cond - u_un)        r = 0 unconditional, 1 conditional, above 1 guided
//
// The steps and `guided` are plain loops: a map over as many numbers takes six times as long.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  /** Room for as many numbers, of the same kind. */
  const roomLike = (x) => new x.constructor(x.length);

  // ---------------------------------------------------------------- guidance

  /** Both predictions of one model that knows both modes. */
  function nullPair(model) {
    return model.pair || ((x, t, y) => [model(x, t, cfgedu.NULL), model(x, t, y)]);
  }

  /** un + r (cond - un), exact at r = 0 and at r = 1, as torch.lerp is. */
  function lerp(un, cond, r) {
    return r < 0.5 ? un + r * (cond - un) : cond - (1 - r) * (cond - un);
  }

  /** eps = lerp(eps_un, eps_cond, r). r: one number, an array with one scale for each sample, or a function of t. */
  function guided(pair, r) {
    return (x, t, y) => {
      const [un, cond] = pair(x, t, y), scale = typeof r === "function" ? r(t) : r, eps = roomLike(un);
      for (let i = 0; i < eps.length; i++) {
        const here = typeof scale === "number" ? scale : scale[Math.floor(i * scale.length / eps.length)];
        eps[i] = lerp(un[i], cond[i], here);
      }
      return eps;
    };
  }

  /** The guided prediction of a network: where r is 0 or 1 that is one of its two, asked for alone. */
  function guidedBy(model, r) {
    return r === 1 ? model : r === 0 ? (x, t) => model(x, t, cfgedu.NULL) : guided(nullPair(model), r);
  }

  /** The model whose predicted x_0 is clipped to [low, high], with the eps that belongs to the clipped x_0. */
  function clipX0(model, schedule, low = -1, high = 1) {
    return (x, t, y) => {
      const x0 = schedule.x0(x, t, model(x, t, y));
      return schedule.eps(x, t, x0.map((u) => Math.min(Math.max(u, low), high)));
    };
  }

  /** g = s_cond - s_un, in score units: grad log p(y given x_t) where the pair is exact. */
  function guidanceVector(pair, schedule) {
    return (x, t, y) => {
      const [un, cond] = pair(x, t, y);
      return un.map((u, i) => (u - cond[i]) / schedule.noiseLevel[t]);
    };
  }

  /** r(t): the scale r where low < t <= high, and 1, plain conditional sampling, outside. */
  function within(r, low, high) {
    return (t) => (t > low && t <= high ? r : 1);
  }

  /** w = r - 1: w counts from the conditional prediction, r from the unconditional one. */
  function wFromR(r) {
    return r - 1;
  }

  // ---------------------------------------------------------------- steps: (x, eps, a_t, a_s, z) -> x_s

  /** x_s = (x - beta / sqrt(1 - a_t) eps) / sqrt(alpha) + sqrt(beta_tilde) z,   alpha = a_t / a_s = 1 - beta
   *  with beta_tilde = beta (1 - a_s) / (1 - a_t) */
  function ddpmStep(x, eps, aT, aS, z) {
    const alpha = aT / aS, beta = 1 - alpha, betaTilde = beta / (1 - aT) * (1 - aS);
    const pull = beta / Math.sqrt(1 - aT), signal = Math.sqrt(alpha), spread = Math.sqrt(betaTilde), next = roomLike(x);
    for (let i = 0; i < x.length; i++) {
      next[i] = (x[i] - pull * eps[i]) / signal + spread * z[i];
    }
    return next;
  }

  /** x_s = sqrt(a_s) x_0 + sqrt(1 - a_s - sigma^2) eps + sigma z,   sigma^2 = eta^2 beta_tilde
   *  with x_0 = (x - sqrt(1 - a_t) eps) / sqrt(a_t). eta = 0 is deterministic, eta = 1 is ddpmStep. */
  function ddimStep(x, eps, aT, aS, z, eta = 0) {
    const beta = 1 - aT / aS, sigmaSquared = eta ** 2 * beta / (1 - aT) * (1 - aS);
    const noise = Math.sqrt(1 - aS - sigmaSquared), sigma = Math.sqrt(sigmaSquared), before = Math.sqrt(1 - aT);
    const signalT = Math.sqrt(aT), signalS = Math.sqrt(aS), next = roomLike(x);
    for (let i = 0; i < x.length; i++) {
      const x0 = (x[i] - before * eps[i]) / signalT;
      const mean = signalS * x0 + noise * eps[i];
      next[i] = sigma ? mean + sigma * z[i] : mean;
    }
    return next;
  }

  /** x_s = x + beta (x / 2 + score) + sqrt(beta) z,   score = -eps / sqrt(1 - a_t) */
  function eulerMaruyamaStep(x, eps, aT, aS, z) {
    const beta = 1 - aT / aS, noise = Math.sqrt(1 - aT), spread = Math.sqrt(beta), next = roomLike(x);
    for (let i = 0; i < x.length; i++) {
      next[i] = x[i] + beta * (x[i] / 2 - eps[i] / noise) + spread * z[i];
    }
    return next;
  }

  /** x_s = x + beta / 2 (x + score),   score = -eps / sqrt(1 - a_t);   z is not used */
  function odeStep(x, eps, aT, aS) {
    const beta = 1 - aT / aS, noise = Math.sqrt(1 - aT), next = roomLike(x);
    for (let i = 0; i < x.length; i++) {
      next[i] = x[i] + beta / 2 * (x[i] - eps[i] / noise);
    }
    return next;
  }

  const SAMPLERS = { DDPM: ddpmStep, DDIM: ddimStep, "Euler-Maruyama": eulerMaruyamaStep, ODE: odeStep };

  /**
   * x, then x after every step, each when it is asked for; the last one is x_0. steps: how many, spread evenly over
   * T..0, or the times themselves. Each step with s > 0 draws z = draw(x.length), in order; the step to s = 0 gets
   * z = 0. draw: the randn of a generator.
   */
  function* stepped(step, model, schedule, x, y, steps, draw) {
    const times = cfgedu.timesOf(schedule, steps), nothing = new Float64Array(x.length);
    yield x;
    for (let i = 0; i + 1 < times.length; i++) {
      const [t, s] = [times[i], times[i + 1]], eps = model(x, t, y);
      const z = s > 0 && draw ? draw(x.length) : nothing;
      x = step(x, eps, schedule.alphaBar[t], schedule.alphaBar[s], z);
      yield x;
    }
  }

  /** [x, then x after every step], with the same arguments. */
  function trajectory(...given) {
    return [...stepped(...given)];
  }

  /** x_0, the end of the trajectory with the same arguments. */
  function sample(...given) {
    let last;
    for (const x of stepped(...given)) {
      last = x;
    }
    return last;
  }

  Object.assign(cfgedu, {
    nullPair, guided, guidedBy, clipX0, guidanceVector, within, wFromR, ddpmStep, ddimStep, eulerMaruyamaStep, odeStep,
    SAMPLERS, stepped, trajectory, sample,
  });
})();
