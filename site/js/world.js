// The exact world: noise schedules, and labelled Gaussian mixtures with score, posterior and best denoiser known at
// every noise level, as in cfgedu.schedule and cfgedu.toy. tests/test_site_world.py compares every number with the
// package's.
//
//   x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps,      eps ~ N(0, I),      a_t = alphaBar[t],      a_0 = 1
//
// Points lie one after the other in a Float64Array x: the i-th is x[D i], .., x[D i + D - 1]. A label y is one number
// for all points, or an array with one for each; NULL stands for no label. A time t is one number, for a denoiser also
// an array.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const NULL = -1;
  const LOST = -45; // an exponent below which a part of a sum is lost in rounding

  // ---------------------------------------------------------------- schedules

  /** n numbers from `first` to `last`. */
  function linspace(first, last, n) {
    const step = (last - first) / (n - 1);
    return Float64Array.from({ length: n }, (_, i) => (i < n / 2 ? first + step * i : last - step * (n - 1 - i)));
  }

  /** The table alphaBar[0..T], the conversions between eps, x0, score and v at time t, and grids of times. */
  function makeSchedule(alphaBar) {
    const T = alphaBar.length - 1;
    const signal = alphaBar.map(Math.sqrt);
    const noiseLevel = alphaBar.map((a) => Math.sqrt(1 - a));
    return {
      T,
      alphaBar,
      signal,
      noiseLevel,
      /** x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) eps */
      noise: (x0, t, eps) => x0.map((x, i) => signal[t] * x + noiseLevel[t] * eps[i]),
      /** x_0 = (x - sqrt(1 - a_t) eps) / sqrt(a_t) */
      x0: (x, t, eps) => eps.map((e, i) => (x[i] - noiseLevel[t] * e) / signal[t]),
      /** eps = (x - sqrt(a_t) x_0) / sqrt(1 - a_t) */
      eps: (x, t, x0) => x0.map((u, i) => (x[i] - signal[t] * u) / noiseLevel[t]),
      /** score = grad log p_t = -eps / sqrt(1 - a_t) */
      score: (x, t, eps) => eps.map((e) => -e / noiseLevel[t]),
      /** v = sqrt(a_t) eps - sqrt(1 - a_t) x_0, from x and eps */
      v: (x, t, eps) => eps.map((e, i) => signal[t] * e - noiseLevel[t] * (x[i] - noiseLevel[t] * e) / signal[t]),
      /** n + 1 times from T down to 0, as evenly spaced as integers can be: round(T (n - i) / n), halves up. */
      grid: (n) => Array.from({ length: n + 1 }, (_, i) => Math.floor((2 * T * (n - i) + n) / (2 * n))),
    };
  }

  /** The times that `steps` stands for: that many even steps from T to 0, or the given list of times. */
  function timesOf(schedule, steps) {
    return typeof steps === "number" ? schedule.grid(steps) : steps;
  }

  /** Times from T to 0 with arccos sqrt(a_{t_i}) = (1 - i / n)^1.3 arccos sqrt(a_T), n = steps. */
  function evenAngles(schedule, steps) {
    const angle = schedule.alphaBar.map((a) => Math.acos(Math.sqrt(a)));
    const wanted = linspace(1, 0, steps + 1).map((u) => angle[schedule.T] * u ** 1.3);
    const found = Array.from(wanted, (w) => angle.findIndex((value) => value >= w));
    return [...new Set(found)].sort((t, s) => s - t);
  }

  /** alpha_bar_t = prod_{u <= t} (1 - beta_u) */
  function fromBetas(beta) {
    const alphaBar = new Float64Array(beta.length + 1).fill(1);
    for (let t = 1; t < alphaBar.length; t++) {
      alphaBar[t] = alphaBar[t - 1] * (1 - beta[t - 1]);
    }
    return makeSchedule(alphaBar);
  }

  /** beta rises linearly from beta_1 to beta_T. */
  function linear(T = 1000, beta1 = 1e-4, betaT = 0.02) {
    return fromBetas(linspace(beta1, betaT, T));
  }

  /** alpha_bar_t = f(t) / f(0), f(t) = cos^2((t/T + s) / (1 + s) pi/2), with beta_t at most betaMax. */
  function cosine(T = 1000, s = 0.008, betaMax = 0.999) {
    const f = linspace(0, 1, T + 1).map((u) => Math.cos((u + s) / (1 + s) * Math.PI / 2) ** 2);
    return fromBetas(Array.from({ length: T }, (_, t) => Math.min(1 - f[t + 1] / f[t], betaMax)));
  }

  /** The levels of flow matching's path at u = last t / T: a_t = (1 - u)^2 / ((1 - u)^2 + u^2) */
  function straight(T = 1000, last = 0.999) {
    return makeSchedule(linspace(0, 1, T + 1).map((share) => {
      const u = last * share;
      return (1 - u) ** 2 / ((1 - u) ** 2 + u ** 2);
    }));
  }

  // ---------------------------------------------------------------- mixtures

  /** p(x) = sum_j weight_j N(x; mean_j, std_j^2 I); component j belongs to class label_j. Parameters are float32. */
  function makeMixture(means, std, weight, label) {
    const D = means[0].length, J = means.length, K = Math.max(...label) + 1;
    const total = Float32Array.from(weight).reduce((sum, w) => sum + w, 0);
    const mixture = {
      D, J, K, means, label,
      mean: Float32Array.from(means.flat()),
      std: Float32Array.from(std),
      weight: Float32Array.from(weight),
      prior: new Float64Array(K), // p(y)
      logWeight: [], // log p(j given y), label y in row y + 1: row 0, for NULL, holds log p(j)
    };
    label.forEach((k, j) => (mixture.prior[k] += mixture.weight[j] / total));
    mixture.logWeight[0] = Float64Array.from(mixture.weight, (w) => Math.log(w / total));
    for (let k = 0; k < K; k++) {
      const own = (w, j) => (label[j] === k ? Math.log(w / total / mixture.prior[k]) : -Infinity);
      mixture.logWeight[k + 1] = Float64Array.from(mixture.weight, own);
    }
    return mixture;
  }

  /** The components at the signal level a: N(sqrt(a) mean_j, v_j I), v_j = a std_j^2 + 1 - a. */
  function atLevel(mixture, a, noise = 1 - a) {
    const precision = Float64Array.from(mixture.std, (s) => 1 / (noise + a * s * s));
    return {
      mean: Float64Array.from(mixture.mean, (m) => Math.sqrt(a) * m),
      precision,
      scale: precision.map((p) => Math.log(p) * mixture.D / 2),
    };
  }

  /** log N(x_i; sqrt(a) mean_j, v_j I) without its constant -D/2 log 2 pi, into out (J,). */
  function logDensities(mixture, level, x, i, out) {
    const { D, J } = mixture, { mean, precision, scale } = level;
    for (let j = 0; j < J; j++) {
      let square = 0;
      for (let d = 0; d < D; d++) {
        const away = x[D * i + d] - mean[D * j + d];
        square += away * away;
      }
      out[j] = -square * precision[j] / 2 + scale[j];
    }
  }

  /** p(j) = exp(log_j) / sum_k exp(log_k) of log_j = density_j + weight_j, into out (J,). */
  function softmax(density, weight, out) {
    const top = highest(density, weight);
    let sum = 0;
    for (let j = 0; j < out.length; j++) {
      const log = density[j] + weight[j] - top;
      out[j] = log > LOST ? Math.exp(log) : 0;
      sum += out[j];
    }
    for (let j = 0; j < out.length; j++) {
      out[j] /= sum;
    }
  }

  /** log sum_j exp(density_j + weight_j) */
  function logSumExp(density, weight) {
    const top = highest(density, weight);
    let sum = 0;
    for (let j = 0; j < density.length; j++) {
      const log = density[j] + weight[j] - top;
      sum += log > LOST ? Math.exp(log) : 0;
    }
    return top + Math.log(sum);
  }

  function highest(density, weight) {
    let top = -Infinity;
    for (let j = 0; j < density.length; j++) {
      const log = density[j] + weight[j];
      top = log > top ? log : top;
    }
    return top;
  }

  /** The one number for all points, or the i-th of an array. */
  const valueAt = (value, i) => (typeof value === "number" ? value : value[i]);

  /** log p_t(x given y) (B,), normalised; log p_t(x) where y is NULL. a = a_t; 1 is clean data. */
  function logProb(mixture, x, y, a = 1) {
    const level = atLevel(mixture, a), density = new Float64Array(mixture.J);
    const log = new Float64Array(x.length / mixture.D), constant = mixture.D / 2 * Math.log(2 * Math.PI);
    for (let i = 0; i < log.length; i++) {
      logDensities(mixture, level, x, i, density);
      log[i] = logSumExp(density, mixture.logWeight[valueAt(y, i) + 1]) - constant;
    }
    return log;
  }

  /** p(y given x_t) (B K,), by Bayes' rule over the classes; a as in logProb. */
  function posterior(mixture, x, a = 1) {
    const { D, J, K, label, logWeight } = mixture, level = atLevel(mixture, a), B = x.length / D;
    const density = new Float64Array(J), p = new Float64Array(J), result = new Float64Array(B * K);
    for (let i = 0; i < B; i++) {
      logDensities(mixture, level, x, i, density);
      softmax(density, logWeight[0], p);
      for (let j = 0; j < J; j++) {
        result[K * i + label[j]] += p[j];
      }
    }
    return result;
  }

  /** p(y given x_t) of one label alone (B,). */
  function posteriorOf(mixture, x, a, label) {
    const p = posterior(mixture, x, a), K = mixture.K;
    return new Float64Array(p.length / K).map((_, i) => p[K * i + label]);
  }

  /**
   * The exact Denoiser E[eps given x_t, y] = -sqrt(1 - a_t) grad log p_t(x given y)
   * with grad log p_t = sum_j p(j given x_t, y) (sqrt(a_t) mean_j - x) / v_j.
   * Its `pair` gives the predictions without and with the label for the price of one: without the label,
   *
   *   grad log p_t(x) = p(y given x_t) grad log p_t(x given y) + p(not y given x_t) grad log p_t(x given not y)
   */
  function denoiser(mixture, schedule) {
    const { D, J, label } = mixture, logWeight = mixture.logWeight[0], levels = Array(schedule.T + 1).fill(null);
    const log = new Float64Array(J), pull = new Float64Array(J);
    const owns = (y, j) => y === NULL || label[j] === y;

    /** The components at time t, and sqrt(1 - a_t). */
    function levelOf(t) {
      if (!levels[t]) {
        const sigma = schedule.noiseLevel[t];
        levels[t] = { sigma, ...atLevel(mixture, schedule.alphaBar[t], sigma * sigma) };
      }
      return levels[t];
    }

    /** [eps without the label, eps with it]; the first is empty where only one is wanted. */
    function predict(x, t, labels, both) {
      const un = new Float64Array(both ? x.length : 0), cond = new Float64Array(x.length);
      for (let i = 0; i < x.length / D; i++) {
        const level = levelOf(valueAt(t, i)), { mean, precision, sigma } = level, y = valueAt(labels, i);
        logDensities(mixture, level, x, i, log);
        let top = -Infinity, topOther = -Infinity; // of the components of the label, and of all others
        for (let j = 0; j < J; j++) {
          log[j] += logWeight[j];
          if (owns(y, j)) {
            top = log[j] > top ? log[j] : top;
          } else {
            topOther = log[j] > topOther ? log[j] : topOther;
          }
        }
        let sum = 0, sumOther = 0;
        for (let j = 0; j < J; j++) {
          const own = owns(y, j), away = log[j] - (own ? top : topOther);
          const p = away > LOST && (own || both) ? Math.exp(away) : 0;
          pull[j] = p * precision[j];
          if (own) {
            sum += p;
          } else {
            sumOther += p;
          }
        }
        const most = Math.max(top, topOther), share = Math.exp(top - most), shareOther = Math.exp(topOther - most);
        for (let d = 0; d < D; d++) {
          const here = x[D * i + d];
          let score = 0, scoreOther = 0;
          for (let j = 0; j < J; j++) {
            const part = pull[j] * (mean[D * j + d] - here);
            if (owns(y, j)) {
              score += part;
            } else {
              scoreOther += part;
            }
          }
          cond[D * i + d] = -sigma * score / sum;
          if (both) {
            un[D * i + d] = -sigma * (share * score + shareOther * scoreOther) / (share * sum + shareOther * sumOther);
          }
        }
      }
      return [un, cond];
    }

    const model = (x, t, y) => predict(x, t, y, false)[1];
    model.pair = (x, t, y) => predict(x, t, y, true);
    return model;
  }

  /** {x0 (n D,), y (n,)}: n draws. */
  function draw(mixture, n, generator) {
    const { D, mean, std, label } = mixture;
    const j = cfgedu.multinomial(mixture.weight, n, generator), z = generator.randn(n * D);
    const x0 = z.map((value, i) => {
      const home = j[Math.floor(i / D)];
      return Math.fround(mean[D * home + i % D] + Math.fround(std[home] * value));
    });
    return { x0, y: Int8Array.from(j, (home) => label[home]) };
  }

  /**
   * n exact draws (n D,) of x_0 given one x_t (D,), the label y (NULL for none) and the signal level a: component j has
   * the weight p(j given x_t, y), and the mean and variance of a Gaussian that has seen one noisy measurement,
   *
   *   mean_j + sqrt(a) std_j^2 / v_j (x - sqrt(a) mean_j)  and  std_j^2 (1 - a) / v_j,  v_j = a std_j^2 + 1 - a
   */
  function drawX0(mixture, x, y, a, n, generator) {
    const { D, J, mean, std } = mixture, level = atLevel(mixture, a);
    const density = new Float64Array(J), p = new Float64Array(J);
    logDensities(mixture, level, x, 0, density);
    softmax(density, mixture.logWeight[y + 1], p);
    const home = cfgedu.multinomial(p, n, generator), z = generator.randn(n * D);
    return z.map((value, i) => {
      const j = home[Math.floor(i / D)], d = i % D, gain = std[j] ** 2 * level.precision[j];
      const centre = mean[D * j + d] + Math.sqrt(a) * gain * (x[d] - level.mean[D * j + d]);
      return centre + Math.sqrt(gain * (1 - a)) * value;
    });
  }

  Object.assign(cfgedu, {
    NULL, valueAt, linspace, makeSchedule, timesOf, evenAngles, linear, cosine, straight, makeMixture, logProb,
    posterior, posteriorOf, atLevel, logDensities, denoiser, draw, drawX0,
  });
})();
