// Training the residual MLP of nets.js in the page, as cfgedu.training.train does: the eps loss with dropped labels,
// its gradient, a clipped step of AdamW, and the moving average of the weights. From one seed come the first weights
// and the batches of the package; tests/test_site_training.py compares every part with it.
//
//   c = B silu(A waves(t)) + row y + 1 of the table
//   h_0 = inlet(x),      h_{k+1} = h_k + silu(W_k (h_k + c)),      eps_hat = outlet(h_depth)
//
// All numbers lie in the memory of a kernel (gemm.js), which makes 8 outputs at a time: a layer of 2 inputs or outputs
// has 8, and those too many are 0 and stay so.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { NULL, valueAt } = cfgedu;
  const FEWEST = 4; // rows that the kernel takes at least
  const CLIP = 1, WARM_UP = 100; // largest norm of the gradient; steps in which the rate rises
  const FIRST = 0.9, SECOND = 0.999, TINY = 1e-8, DECAY = 0.01; // of AdamW: its moments, its divisor, the weights

  /** What trains an MLP on a mixture. begin(seed) makes a new one, step(p_drop) trains it; `model` is its average. */
  function trainer(mixture, schedule, { width = 64, depth = 3, batch = 128, lr = 1e-2, fast } = {}) {
    const { LANES, upTo } = cfgedu; // of scripts that may arrive after this one
    const { D, K } = mixture, { T } = schedule, waves = cfgedu.wavesOf({ T, width }), known = [];
    let generator = null, steps = 0;
    let count = (K + 1) * width; // of the weights: the table of labels, then each layer's W, 8 outputs at a time, and b
    const layer = (name, from, to) => {
      const inner = upTo(from, LANES), out = upTo(to, LANES), w = count, b = w + inner * out;
      count = b + out;
      return { name, from, to, inner, out, w, b };
    };
    const first = layer("time.layers.0", width, width), second = layer("time.layers.2", width, width);
    const inlet = layer("inlet", D, width), outlet = layer("outlet", width, D);
    const blocks = Array.from({ length: depth }, (_, k) => layer(`blocks.${k}`, width, width));
    const rows = batch * width, turning = Math.max(width * width, LANES * batch);
    const { memory, room, product } = cfgedu.kernel(3 * count + (3 * depth + 9) * rows + turning + 2 * width, fast);
    const sets = { weights: room(count), gradient: room(count), average: room(count) };
    const [W, G, E] = Object.values(sets).map((at) => memory.subarray(at, at + count));
    const [M, V] = [new Float32Array(count), new Float32Array(count)]; // the moments
    const zeros = room(width), turned = room(turning), buffer = () => room(rows);
    const [told, inTime, time, c, x_, eps_, dh, dc] = Array.from({ length: 8 }, buffer);
    const [z, a, h] = [depth, depth, depth + 1].map((length) => Array.from({ length }, buffer));
    const place = (i) => Math.floor(i / D) * width + i % D; // in a buffer, of number i of a batch

    /** to = W from + b for B rows, with the weights of a set. */
    function forward({ inner, out, w, b }, set, from, to, B) {
      product(from, 0, width, 0, 1, inner, set + w, set + b, out / LANES, to, 0, width, 1, Math.max(B, FEWEST));
    }

    /**
     * From the slope of the loss by a layer's outputs: the gradient of W and b; into `back`, the slope by its inputs.
     * Where the outputs went through silu, `slope` holds silu' and `by` the slope behind it.
     */
    function backward({ inner, out, w, b }, from, slope, back, by) {
      for (let k = 0; k < out; k += LANES) { // dW: inputs times slopes, summed over the rows
        for (let i = 0; i < batch; i++) {
          for (let j = 0, at = i * width + k; j < LANES; j++, at++) {
            const u = by ? memory[slope + at] * memory[by + at] : memory[slope + at];
            memory[slope + at] = memory[turned + i * LANES + j] = u;
            G[b + k + j] += u;
          }
        }
        product(from, 0, 1, width, batch, 1, turned, zeros, 1, sets.gradient + w + k * inner, 0, LANES, 1, inner);
      }
      if (back) { // W read the other way round
        for (let k = 0; k < out; k++) {
          for (let i = 0; i < inner; i++) {
            const u = W[w + (k - k % LANES) * inner + i * LANES + k % LANES];
            memory[turned + (i - i % LANES) * out + k * LANES + i % LANES] = u;
          }
        }
        product(slope, 0, width, 0, 1, out, turned, zeros, inner / LANES, back, 0, width, 1, batch);
      }
    }

    /** to = base + silu(from) for B rows, and from = silu'(from), which `backward` needs. */
    function silu(from, base, to, B) {
      for (let i = 0; i < B * width; i++) {
        const u = memory[from + i], gate = 1 / (1 + Math.exp(-u));
        memory[to + i] = (base ? memory[base + i] : 0) + u * gate;
        memory[from + i] = gate * (1 + u * (1 - gate));
      }
    }

    /** eps_hat of B rows of a batch from row `start` on, into eps_; what lies on the way is kept. */
    function predict(set, x, t, y, start, B) {
      for (let i = 0; i < B; i++) {
        const when = valueAt(t, start + i);
        known[when] = known[when] || Float32Array.from(waves(when));
        memory.set(known[when], told + i * width);
      }
      for (let i = 0; i < B * D; i++) {
        memory[x_ + place(i)] = x[start * D + i];
      }
      forward(first, set, told, inTime, B);
      silu(inTime, 0, time, B);
      forward(second, set, time, c, B);
      for (let i = 0; i < B * width; i++) {
        memory[c + i] += memory[set + (valueAt(y, start + Math.floor(i / width)) + 1) * width + i % width];
      }
      forward(inlet, set, x_, h[0], B);
      blocks.forEach((block, k) => {
        for (let i = 0; i < B * width; i++) {
          memory[a[k] + i] = memory[h[k] + i] + memory[c + i];
        }
        forward(block, set, a[k], z[k], B);
        silu(z[k], h[k], h[k + 1], B);
      });
      forward(outlet, set, h[depth], eps_, B);
    }

    /** The loss of a batch, mean (eps_hat - eps)^2, and its gradient in the set `gradient`. */
    function slopes(x, t, y, eps) {
      const n = batch * D;
      let loss = 0;
      predict(sets.weights, x, t, y, 0, batch);
      G.fill(0);
      memory.fill(0, dc, dc + rows);
      for (let i = 0; i < n; i++) {
        const miss = memory[eps_ + place(i)] - eps[i];
        loss += miss * miss / n;
        memory[eps_ + place(i)] = 2 * miss / n;
      }
      backward(outlet, h[depth], eps_, dh);
      for (let k = depth - 1; k >= 0; k--) {
        backward(blocks[k], a[k], z[k], a[k], dh);
        for (let i = 0; i < rows; i++) {
          memory[dh + i] += memory[a[k] + i];
          memory[dc + i] += memory[a[k] + i];
        }
      }
      backward(inlet, x_, dh, null);
      for (let i = 0; i < rows; i++) {
        G[(y[Math.floor(i / width)] + 1) * width + i % width] += memory[dc + i];
      }
      backward(second, time, dc, time);
      backward(first, told, inTime, null, time);
      return loss;
    }

    /** A new network with the weights of `weights_from(seeded(seed))`; its batches come from that generator. */
    function begin(seed) {
      generator = cfgedu.seeded(seed);
      steps = 0;
      const own = cfgedu.seeded(generator.randint(0, 2 ** 32 - 1, 2)[1]); // the low half of a seed of 62 bits
      [W, M, V].forEach((set) => set.fill(0));
      const fill = ({ from, to, inner, w, b }) => {
        own.rand(from * to).forEach((u, k) => { // outputs one after the other, each with all its inputs
          const o = Math.floor(k / from);
          W[w + (o - o % LANES) * inner + k % from * LANES + o % LANES] = (2 * u - 1) / Math.sqrt(from);
        });
        W.set(own.rand(to).map((u) => (2 * u - 1) / Math.sqrt(from)), b);
      };
      [first, second].forEach(fill);
      W.set(own.randn((K + 1) * width)); // the table
      [inlet, ...blocks].forEach(fill); // the outlet begins at 0
      E.set(W);
    }

    /** AdamW with the clipped gradient; average <- d average + (1 - d) weights, d = n / (n + 9) up to n = 8990. */
    function update() {
      const n = ++steps, clip = Math.min(1, CLIP / (Math.sqrt(G.reduce((sum, u) => sum + u * u, 0)) + 1e-6));
      const rate = lr * Math.min(n / WARM_UP, Math.sqrt(WARM_UP / n)), kept = n / (n + 9);
      const one = 1 - FIRST ** n, two = Math.sqrt(1 - SECOND ** n);
      for (let i = 0; i < count; i++) {
        const u = clip * G[i];
        M[i] += (1 - FIRST) * (u - M[i]);
        V[i] += (1 - SECOND) * (u * u - V[i]);
        W[i] -= rate * (DECAY * W[i] + M[i] / one / (Math.sqrt(V[i]) / two + TINY));
        E[i] += (1 - kept) * (W[i] - E[i]);
      }
    }

    /** One step with labels dropped at a rate: {loss, dropped}, its loss and how many labels it hid. */
    function step(rate) {
      const { x0, y } = cfgedu.draw(mixture, batch, generator), t = generator.randint(1, T, batch);
      const eps = generator.randn(batch * D), coins = generator.rand(batch), when = (i) => t[Math.floor(i / D)];
      const x = x0.map((u, i) => schedule.signal[when(i)] * u + schedule.noiseLevel[when(i)] * eps[i]);
      const asked = y.map((label, i) => (coins[i] < Math.fround(rate) ? NULL : label));
      const loss = slopes(x, t, asked, eps);
      update();
      return { loss, dropped: asked.filter((label) => label === NULL).length };
    }

    /** The averaged network as a model (x, t, y) -> eps. */
    function model(x, t, y) {
      const eps = new Float64Array(x.length);
      for (let start = 0; start < x.length / D; start += batch) {
        const B = Math.min(batch, x.length / D - start);
        predict(sets.average, x, t, y, start, B);
        eps.subarray(start * D, (start + B) * D).forEach((_, i, part) => (part[i] = memory[eps_ + place(i)]));
      }
      return eps;
    }

    return { begin, step, model, slopes, sets: { W, G, E }, layers: [first, second, inlet, ...blocks, outlet] };
  }

  Object.assign(cfgedu, { trainer });
})();
