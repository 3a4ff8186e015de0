// Numbers to judge samples by, and two edges: as in cfgedu.metrics and cfgedu.widgets.stage.
// y: one label for all points, or an array with one for each.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  const { valueAt } = cfgedu;
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  /** The mean of the exact p(y given x) over samples x made for the labels y. */
  function meanPosterior(mixture, x, y) {
    const p = cfgedu.posterior(mixture, x), K = mixture.K;
    return mean(Array.from({ length: p.length / K }, (_, i) => p[K * i + valueAt(y, i)]));
  }

  /** The share of samples x whose most probable class, by the exact p(y given x), is the y they are made for. */
  function classAccuracy(mixture, x, y) {
    const p = cfgedu.posterior(mixture, x), K = mixture.K;
    return mean(Array.from({ length: p.length / K }, (_, i) => {
      const own = p.subarray(K * i, K * i + K);
      return own.indexOf(Math.max(...own)) === valueAt(y, i) ? 1 : 0;
    }));
  }

  /** The standard deviation of samples x within the components of their classes y, per dimension: a sample goes to the
   *  nearest component of its class, and its distance is taken from the mean of the samples there. */
  function spread(mixture, x, y) {
    const { D, J, label } = mixture, B = x.length / D, home = new Int32Array(B);
    const count = new Float64Array(J), centre = new Float64Array(J * D);
    for (let i = 0; i < B; i++) {
      let nearest = Infinity;
      for (let j = 0; j < J; j++) {
        let square = 0;
        for (let d = 0; d < D; d++) {
          square += (x[D * i + d] - mixture.mean[D * j + d]) ** 2;
        }
        if (label[j] === valueAt(y, i) && square < nearest) {
          nearest = square;
          home[i] = j;
        }
      }
      count[home[i]] += 1;
      for (let d = 0; d < D; d++) {
        centre[D * home[i] + d] += x[D * i + d];
      }
    }
    return Math.sqrt(mean(x.map((value, i) => {
      const j = home[Math.floor(i / D)];
      return (value - centre[D * j + i % D] / count[j]) ** 2;
    })));
  }

  /** How much of its classes the samples have lost: the share of their weight in components that get fewer than
   *  `least` of the samples that are theirs. A sample counts for the component of its class from which it most
   *  probably came. */
  function lostShare(mixture, x, y, least = 0.2) {
    const { D, J } = mixture, B = x.length / D, got = new Float64Array(J), due = new Float64Array(J);
    const density = new Float64Array(J), level = cfgedu.atLevel(mixture, 1);
    for (let i = 0; i < B; i++) {
      const weight = mixture.logWeight[valueAt(y, i) + 1];
      cfgedu.logDensities(mixture, level, x, i, density);
      const joint = density.map((log, j) => log + weight[j]);
      got[joint.indexOf(Math.max(...joint))] += 1 / B;
      weight.forEach((log, j) => (due[j] += Math.exp(log) / B));
    }
    return due.reduce((sum, share, j) => (got[j] < least * share ? sum + share : sum), 0);
  }

  /** The value below which the share q of the values lies, between two of them by their distance. */
  function quantile(values, q) {
    const sorted = Float64Array.from(values).sort(), place = q * (sorted.length - 1), low = Math.floor(place);
    return sorted[low] + (place - low) * (sorted[Math.ceil(place)] - sorted[low]);
  }

  /** The log-density that 99% of the data x of a class exceed: below it lies what is off the data. */
  function edgeOfSupport(mixture, x, label) {
    return quantile(cfgedu.logProb(mixture, x, label), 0.01);
  }

  /** The share of samples x that lie where class y almost never does: log p(x given y) below a low quantile of the
   *  log-densities of true samples of that class, out of n drawn from the mixture. */
  function offSupport(mixture, x, y, generator, q = 0.01, n = 20000) {
    const real = cfgedu.draw(mixture, n, generator), own = cfgedu.logProb(mixture, x, y), low = new Map();
    return mean(Array.from(own, (log, i) => {
      const label = valueAt(y, i);
      if (!low.has(label)) {
        const kept = label === cfgedu.NULL ? real.x0 : rowsOf(real.x0, real.y, label);
        low.set(label, quantile(cfgedu.logProb(mixture, kept, label), q));
      }
      return log < low.get(label) ? 1 : 0;
    }));
  }

  /** tr Cov of features (n F,) of n images of one class, half the mean squared distance between two of them. */
  function diversity(features, n) {
    const F = features.length / n, centre = new Float64Array(F);
    features.forEach((value, i) => (centre[i % F] += value / n));
    return features.reduce((sum, value, i) => sum + (value - centre[i % F]) ** 2, 0) / (n - 1);
  }

  /** The points x (n 2,) whose label is `label`. */
  function rowsOf(x, y, label) {
    return x.filter((_, i) => y[i >> 1] === label);
  }

  Object.assign(cfgedu, {
    mean, meanPosterior, classAccuracy, spread, lostShare, quantile, edgeOfSupport, offSupport, diversity, rowsOf,
  });
})();
