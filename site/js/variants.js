// Repairs of what a large r does to the guided prediction, as in cfgedu.variants.repairs, for points of the plane.
// <a, b> and |a| are taken over the two numbers of one point.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  /** f(i) for every point, written as its two numbers at 2 i and 2 i + 1. */
  function rows(n, f) {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i += 2) {
      [out[i], out[i + 1]] = f(i, i + 1);
    }
    return out;
  }

  const scaleAt = (r, t) => (typeof r === "function" ? r(t) : r);

  /** phi x std(cond) / std(x) + (1 - phi) x,   x the guided prediction, std over the numbers of one sample */
  function rescale(x, cond, phi = 0.7) {
    return rows(x.length, (i, j) => {
      const own = Math.abs(x[i] - x[j]), wanted = Math.abs(cond[i] - cond[j]); // of two numbers, twice their std
      const factor = phi * (own === 0 ? 1 : wanted / own) + 1 - phi;
      return [factor * x[i], factor * x[j]];
    });
  }

  /** Guidance with the contrast of the conditional prediction, in the space of x_0: rescale(guided, cond, phi) */
  function rescaledX0(pair, r, schedule, phi = 0.7) {
    return (x, t, y) => {
      const [un, cond] = pair(x, t, y), eps = cfgedu.guided(() => [un, cond], scaleAt(r, t))(x, t, y);
      return schedule.eps(x, t, rescale(schedule.x0(x, t, eps), schedule.x0(x, t, cond), phi));
    };
  }

  /** cond + (r - 1) (orthogonal + eta parallel) of d = cond - un, parallel = <d, cond> / <cond, cond> cond */
  function project(un, cond, r, eta = 0) {
    return rows(un.length, (i, j) => {
      const d = [cond[i] - un[i], cond[j] - un[j]], square = cond[i] ** 2 + cond[j] ** 2;
      const share = square === 0 ? 0 : (d[0] * cond[i] + d[1] * cond[j]) / square;
      const part = (value, along) => along + (r - 1) * (value - share * along + eta * share * along);
      return [part(d[0], cond[i]), part(d[1], cond[j])];
    });
  }

  /** Adaptive projected guidance without cap and momentum: `project` of the two predicted x_0. */
  function projected(pair, r, schedule, eta = 0) {
    return (x, t, y) => {
      const [un, cond] = pair(x, t, y).map((eps) => schedule.x0(x, t, eps));
      return schedule.eps(x, t, project(un, cond, scaleAt(r, t), eta));
    };
  }

  /** x_0 = clip(x_0, -s, s) / s,   s = max(1, the q-quantile of |x_0| over the numbers of one sample) */
  function dynamicThreshold(model, schedule, q = 0.995) {
    return (x, t, y) => {
      const x0 = schedule.x0(x, t, model(x, t, y));
      return schedule.eps(x, t, rows(x0.length, (i, j) => {
        const s = Math.max(1, cfgedu.quantile([Math.abs(x0[i]), Math.abs(x0[j])], q));
        return [x0[i], x0[j]].map((value) => Math.min(Math.max(value, -s), s) / s);
      }));
    };
  }

  Object.assign(cfgedu, { rescale, rescaledX0, project, projected, dynamicThreshold });
})();
