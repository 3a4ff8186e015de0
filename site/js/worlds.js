// The named mixtures, by the same formulas as in cfgedu.toy.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { makeMixture } = cfgedu;

  function polar(radius, turns) {
    return [radius * Math.cos(2 * Math.PI * turns), radius * Math.sin(2 * Math.PI * turns)];
  }

  /** 2 classes of one Gaussian each, equal but for their means. */
  function twoGaussians() {
    return makeMixture([[-1, 0], [1, 0]], [0.7, 0.7], [0.5, 0.5], [0, 1]);
  }

  /** The course's own world: 3 classes of 2 islands each on opposite sides, with p(y) = 0.5, 0.3, 0.2. */
  function islands() {
    const mean = [0, 1, 2].flatMap((k) => [polar(1, 0.25 + k / 3), polar(1.5, 0.75 + k / 3)]);
    const weight = [0.5, 0.3, 0.2].flatMap((p) => [p * 0.6, p * 0.4]);
    return makeMixture(mean, [0.35, 0.3, 0.35, 0.3, 0.35, 0.3], weight, [0, 0, 1, 1, 2, 2]);
  }

  /** 2 classes on a line: class 0 has a far mode and one beside the only mode of class 1, which contests it. */
  function contested() {
    return makeMixture([[-2.2, 0], [0.3, 0], [1.3, 0]], [0.25, 0.25, 0.25], [0.25, 0.25, 0.5], [0, 0, 1]);
  }

  /** One cloud of four Gaussians under two labellings: the first attribute is left or right, the second down or up. */
  function twoAttributes() {
    const mean = [[-1, -0.8], [-0.8, 1], [0.8, -1], [1, 0.8]];
    const std = [0.45, 0.4, 0.4, 0.45], weight = [0.4, 0.1, 0.1, 0.4];
    return [makeMixture(mean, std, weight, [0, 0, 1, 1]), makeMixture(mean, std, weight, [0, 1, 0, 1])];
  }

  /** K interleaved spiral arms, one class each, of J narrow components. */
  function spirals(K = 3, J = 32) {
    const place = Array.from({ length: K * J }, (_, i) => [Math.floor(i / J), (i % J + 0.5) / J]);
    const mean = place.map(([k, u]) => polar(0.25 + 1.6 * u, 0.8 * u + k / K));
    const std = place.map(([, u]) => 0.05 + 0.07 * u);
    return makeMixture(mean, std, place.map(() => 1 / (K * J)), place.map(([k]) => k));
  }

  /** K trees from one root, one class each: thin branches on `depth` levels, `points` narrow components a piece. */
  function branches(K = 2, depth = 4, points = 4) {
    const mean = [], std = [], weight = [], label = [];

    function grow(k, level, x, y, turns) {
      const [dx, dy] = polar(0.75 * 0.75 ** level, turns);
      for (let i = 0; i < points; i++) {
        const u = (i + 0.5) / points;
        mean.push([x + u * dx, y + u * dy]);
        std.push(0.07 * 0.75 ** level);
        weight.push(0.5 ** level / points);
        label.push(k);
      }
      if (level + 1 < depth) {
        [-1, 1].forEach((side) => grow(k, level + 1, x + dx, y + dy, turns + side * 0.1));
      }
    }

    for (let k = 0; k < K; k++) {
      grow(k, 0, 0, 0, (k + 0.5) / K - 0.12);
    }
    const total = weight.reduce((sum, w) => sum + w, 0);
    return makeMixture(mean, std, weight.map((w) => w / total), label);
  }

  Object.assign(cfgedu, { twoGaussians, islands, contested, twoAttributes, spirals, branches });
})();
