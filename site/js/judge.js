// The judge, as in cfgedu.models, for square pictures of one channel: x (B side side,), rows from the top.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { silu, oneByOne } = cfgedu;

  /** {features(x) (B F,), probabilities(features) (B K,)} of a judge's checkpoint. */
  function judge({ tensors, about }, fast = undefined) {
    const { size, width, features: count, channels, K } = about.config;
    if (channels !== 1) {
      throw new Error("the page has judges for pictures of one channel");
    }
    const net = cfgedu.layers(tensors, fast), input = net.picture(size, 1), layers = [];
    let side = size;
    for (let k = 0; k === 0 || side > 4; k += 2) {
      side = k ? (side + 1) >> 1 : side;
      layers.push([net.convolution(`body.${k}`, k ? 2 : 1), net.picture(side, width)]);
    }
    const last = net.linear(`body.${2 * layers.length + 1}`), head = net.linear("head"), { memory } = net;

    function featuresOf(x) {
      net.each(input, (at, u, v) => (memory[at] = x[v * size + u]));
      let h = input;
      layers.forEach(([convolve, to]) => {
        h = convolve(h, to);
        net.each(h, (at) => {
          for (let k = at; k < at + width; k++) {
            memory[k] = silu(memory[k]);
          }
        });
      });
      const flat = new Float64Array(width * side * side); // a channel after the other
      net.each(h, (at, u, v) => {
        for (let k = 0; k < width; k++) {
          flat[(k * side + v) * side + u] = memory[at + k];
        }
      });
      return last(flat).map(Math.tanh);
    }

    function shares(features) {
      const logits = head(features), top = Math.max(...logits), p = logits.map((u) => Math.exp(u - top));
      const total = p.reduce((all, u) => all + u, 0);
      return p.map((u) => u / total);
    }

    return {
      K,
      features: (x) => oneByOne(x, size * size, featuresOf),
      probabilities: (features) => oneByOne(features, count, shares),
    };
  }

  Object.assign(cfgedu, { judge });
})();
