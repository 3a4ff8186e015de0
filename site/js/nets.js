// The course's small networks, made from their checkpoints: the residual MLP and its twin, as in cfgedu.models, on the
// memory of a kernel (gemm.js). A network is a model (x, t, y) -> eps like the exact ones; t and y are one number for
// all rows, or an array with one for each.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { NULL, valueAt, LANES, silu, upTo, wavesOf } = cfgedu;
  const FEWEST = 4; // rows that the kernel takes at least
  const CHUNK = 128; // rows that go through the layers together: what they need stays near the processor

  // ---------------------------------------------------------------- layers, on the memory of a kernel

  /** What networks of these tensors are built from; `fast`: whether WebAssembly may be used. */
  function workshop(tensors, { dim, width }, fast) {
    const numbers = Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
    const wide = upTo(Math.max(width, dim), LANES); // numbers that a row of any buffer has room for
    const { memory, room, weights, product } = cfgedu.kernel(2 * numbers + 9 * CHUNK * wide + 4096, fast);
    const buffer = () => room(CHUNK * wide);

    /** run(from, to, B): to = W from + b, for B rows of two buffers. */
    function linear(name) {
      const [weight, bias] = ["weight", "bias"].map((part) => tensors[`model.${name}.${part}`]);
      const { w, b, inner, blocks } = weights(weight, bias);
      return (from, to, B) => (
        product(from, 0, wide, 0, 1, inner, w, b, blocks, to, 0, wide, 1, Math.max(B, FEWEST))
      );
    }

    const inside = buffer(), next = buffer(); // of a block

    /** run(h, c, B): h <- h + silu(W (h + c)), once a layer. */
    function blocks(name, depth) {
      const layers = Array.from({ length: depth }, (_, k) => linear(`${name}.${k}`));
      return (h, c, B) => {
        for (let i = 0; i < B * wide; i++) {
          memory[inside + i] = memory[h + i] + memory[c + i];
        }
        layers.forEach((layer) => {
          layer(inside, next, B);
          for (let i = 0; i < B * wide; i++) {
            const after = memory[h + i] + silu(memory[next + i]);
            memory[h + i] = after;
            memory[inside + i] = after + memory[c + i]; // for the layer that follows
          }
        });
      };
    }

    // ------------------------------------------------------------ what the blocks are told

    /** told(t): the waves of t through layers, with silu between two of them; made once for each of the integers t. */
    function embedding(waves, names) {
      const layers = names.map(linear), known = [];
      return (t) => {
        if (!known[t]) {
          let [at, past] = [inside, next];
          memory.set(waves(t), at);
          layers.forEach((layer, k) => {
            for (let i = at; k && i < at + width; i++) {
              memory[i] = silu(memory[i]);
            }
            layer(at, past, 1);
            [at, past] = [past, at];
          });
          known[t] = memory.slice(at, at + width);
        }
        return known[t];
      };
    }

    /** c = told(t), for B rows from row i on of a batch. */
    function tellTime(c, told, t, i, B) {
      for (let k = 0; k < B; k++) {
        memory.set(told(valueAt(t, i + k)), c + k * wide);
      }
    }

    /** to = c + the rows y + 1 of a label table, so that NULL is row 0. */
    function tellLabel(c, to, rows, y, i, B) {
      for (let k = 0; k < B; k++) {
        const from = (valueAt(y, i + k) + 1) * width, at = k * wide;
        for (let j = 0; j < width; j++) {
          memory[to + at + j] = memory[c + at + j] + rows[from + j];
        }
      }
    }

    // ------------------------------------------------------------ batches

    /** Rows x from row i on into a buffer. */
    function read(x, to, i, B) {
      for (let k = 0; k < B; k++) {
        for (let d = 0; d < dim; d++) {
          memory[to + k * wide + d] = x[(i + k) * dim + d];
        }
      }
    }

    /** Rows of a buffer to row i on of eps. */
    function write(from, eps, i, B) {
      for (let k = 0; k < B; k++) {
        for (let d = 0; d < dim; d++) {
          eps[(i + k) * dim + d] = memory[from + k * wide + d];
        }
      }
    }

    /** Calls pass(i, B) for all rows of x, some at a time. */
    function chunks(x, pass) {
      const rows = x.length / dim;
      for (let i = 0; i < rows; i += CHUNK) {
        pass(i, Math.min(CHUNK, rows - i));
      }
    }

    const copy = (from, to, B) => memory.copyWithin(to, from, from + B * wide);
    return { buffer, linear, blocks, embedding, tellTime, tellLabel, read, write, chunks, copy };
  }

  const TIME = ["time.layers.0", "time.layers.2"];

  // ---------------------------------------------------------------- networks

  /** A residual MLP of a workshop: inlet, blocks that are told of t and of the label's row y + 1 of a table, outlet. */
  function residual(net, told, rows, layers) {
    const [x_, h, c] = Array.from({ length: 3 }, net.buffer);
    const inlet = net.linear("inlet"), outlet = net.linear("outlet");
    return (x, t, y) => {
      const eps = new Float64Array(x.length);
      net.chunks(x, (i, B) => {
        net.tellTime(c, told, t, i, B);
        net.tellLabel(c, c, rows, y, i, B);
        net.read(x, x_, i, B);
        inlet(x_, h, B);
        layers(h, c, B);
        outlet(h, x_, B);
        net.write(x_, eps, i, B);
      });
      return eps;
    };
  }

  /** The residual MLP of a checkpoint; `rows`: a label table in the place of its own. */
  function mlp(checkpoint, { rows = checkpoint.tensors["model.label.weight"].data, fast } = {}) {
    const { tensors, about: { config } } = checkpoint, net = workshop(tensors, config, fast);
    return residual(net, net.embedding(wavesOf(config), TIME), rows, net.blocks("blocks", config.depth));
  }

  /**
   * The twin of a checkpoint, one trunk and two heads: its `pair` gives eps_un and eps_cond, which are equal where y is
   * NULL. leaky: the twin of notebook 09 whose trunk is told the label.
   */
  function twinMlp(checkpoint, { leaky = false, fast } = {}) {
    const { tensors, about: { config } } = checkpoint, { data: rows } = tensors["model.label.weight"];
    const net = workshop(tensors, config, fast), { dim, depth } = config, fork = Math.floor(depth / 2);
    const [x_, h, fused, time, both] = Array.from({ length: 5 }, net.buffer);
    const told = net.embedding(wavesOf(config), TIME);
    const inlet = net.linear("inlet"), trunk = net.blocks("trunk", fork);
    const headUn = net.blocks("head_un", depth - fork), headCond = net.blocks("head_cond", depth - fork);
    const outletUn = net.linear("outlet_un"), outletCond = net.linear("outlet_cond");

    function pair(x, t, y) {
      const un = new Float64Array(x.length), cond = new Float64Array(x.length);
      net.chunks(x, (i, B) => {
        net.tellTime(time, told, t, i, B);
        net.tellLabel(time, both, rows, y, i, B);
        net.read(x, x_, i, B);
        inlet(x_, h, B);
        trunk(h, leaky ? both : time, B);
        net.copy(h, fused, B);
        headUn(h, time, B);
        outletUn(h, x_, B);
        net.write(x_, un, i, B);
        headCond(fused, both, B);
        outletCond(fused, x_, B);
        net.write(x_, cond, i, B);
      });
      return [un, cond.map((eps, k) => (valueAt(y, Math.floor(k / dim)) === NULL ? un[k] : eps))];
    }

    return Object.assign((x, t, y) => pair(x, t, y)[1], { pair });
  }

  /** A label table with another null in its row 0: "zeros" or "mean of class rows"; "learned row" is its own. */
  function withNull({ tensors }, none) {
    const { data, shape: [count, width] } = tensors["model.label.weight"], rows = Float32Array.from(data);
    for (let j = 0; j < width && none !== "learned row"; j++) {
      const own = Array.from({ length: count - 1 }, (_, k) => data[(k + 1) * width + j]);
      rows[j] = none === "zeros" ? 0 : cfgedu.mean(own);
    }
    return rows;
  }

  /** A pair of two models, which both get the label as it is: a weaker one in the place of the unconditional one. */
  function twoModels(un, cond) {
    return (x, t, y) => [un(x, t, y), cond(x, t, y)];
  }

  Object.assign(cfgedu, { workshop, residual, mlp, twinMlp, withNull, twoModels });
})();
