// The U-Net and its twin, as in cfgedu.models, for square pictures of one channel: x (B side side,) float64, rows from
// the top. They compute one picture at a time in float32.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { silu, oneByOne, valueAt, NULL } = cfgedu;
  const sum = (a, b) => a.map((u, i) => u + b[i]);

  // ---------------------------------------------------------------- parts of the U-Net

  /** h -> h': two convolutions and a shortcut; c (after silu) scales and shifts the features between. */
  function resBlock(net, name, side, before, after) {
    const norm1 = net.normalised(`${name}.norm1`), conv1 = net.convolution(`${name}.conv1`);
    const norm2 = net.normalised(`${name}.norm2`), conv2 = net.convolution(`${name}.conv2`);
    const film = net.linear(`${name}.film`), out = net.picture(side, after), { memory } = net;
    const shortcut = net.has(`${name}.shortcut`) && net.convolution(`${name}.shortcut`);
    const first = net.scratch(side, before, "in"), middle = net.scratch(side, after, "middle");
    const past = net.scratch(side, after, "past");
    return (h, c) => {
      const both = film(c), u = conv1(norm1(h, first), middle);
      conv2(norm2(u, u, [both.subarray(0, after), both.subarray(after)]), out);
      const { at } = shortcut ? shortcut(h, past) : h, ahead = at - out.at;
      for (let i = out.at; i < out.at + net.row(out) * (side + 2); i++) {
        memory[i] += memory[i + ahead];
      }
      return out;
    };
  }

  /** The mean of each 2 x 2 places. */
  function pooled(net, from, to) {
    const { memory, row, inside } = net;
    net.each(to, (at, x, y) => {
      const corner = inside(from) + 2 * y * row(from) + 2 * x * from.channels;
      for (let k = 0; k < to.channels; k++) {
        const up = corner + k, down = up + row(from);
        memory[at + k] = (memory[up] + memory[up + from.channels] + memory[down] + memory[down + from.channels]) / 4;
      }
    });
    return to;
  }

  /** Each place of the coarse picture four times, and behind its channels those of the fine one. */
  function joined(net, coarse, fine, to) {
    const { memory, row, inside } = net;
    net.each(to, (at, x, y) => {
      const low = inside(coarse) + (y >> 1) * row(coarse) + (x >> 1) * coarse.channels;
      const high = inside(fine) + y * row(fine) + x * fine.channels;
      memory.copyWithin(at, low, low + coarse.channels);
      memory.copyWithin(at + coarse.channels, high, high + fine.channels);
    });
    return to;
  }

  /** (x, c) -> features of every level, finest first. Each block of 2 x 2 pixels enters as 4 channels. */
  function encoder(net, side, frame, widths) {
    const stem = net.convolution("encoder.stem"), input = net.picture(frame / 2, 4), edge = (frame - side) >> 1;
    const start = net.picture(frame / 2, widths[0]);
    const blocks = widths.map((width, k) => (
      resBlock(net, `encoder.levels.${k}`, frame / 2 >> k, widths[Math.max(k - 1, 0)], width)
    ));
    const smaller = widths.slice(1).map((_, k) => net.picture(frame / 4 >> k, widths[k]));
    return (x, c) => {
      net.each(input, (at, column, line) => {
        for (let k = 0; k < 4; k++) {
          const u = 2 * column + k % 2 - edge, v = 2 * line + (k >> 1) - edge;
          net.memory[at + k] = u >= 0 && v >= 0 && u < side && v < side ? x[v * side + u] : 0;
        }
      });
      const features = [blocks[0](stem(input, start), c)];
      smaller.forEach((picture, k) => features.push(blocks[k + 1](pooled(net, features[k], picture), c)));
      return features;
    };
  }

  /** (features, c) -> v, from the coarsest level up. */
  function decoder(net, name, side, frame, widths) {
    const last = widths.length - 1, low = widths[last], coarse = frame / 2 >> last, edge = (frame - side) >> 1;
    const enter = resBlock(net, `${name}.enter`, coarse, low, low);
    const leave = resBlock(net, `${name}.leave`, coarse, low, low);
    const levels = widths.slice(0, -1).map((width, k) => ({
      both: net.scratch(frame / 2 >> k, widths[k + 1] + width, "both"),
      block: resBlock(net, `${name}.levels.${k}`, frame / 2 >> k, widths[k + 1] + width, width),
    }));
    const norm = net.normalised(`${name}.norm`), out = net.convolution(`${name}.out`);
    const end = net.scratch(frame / 2, widths[0], "in"), four = net.scratch(frame / 2, 8, "out");
    return (features, c) => {
      let h = leave(enter(features[last], c), c);
      for (let k = last - 1; k >= 0; k--) {
        h = levels[k].block(joined(net, h, features[k], levels[k].both), c);
      }
      const rest = out(norm(h, end), four), v = new Float64Array(side * side);
      return v.map((_, i) => {
        const u = i % side + edge, w = Math.floor(i / side) + edge, at = net.inside(rest);
        return net.memory[at + (w >> 1) * net.row(rest) + (u >> 1) * rest.channels + (w % 2) * 2 + u % 2];
      });
    };
  }

  // ---------------------------------------------------------------- networks

  /** t -> its waves, then two layers. */
  function timeEmbedding(net, config) {
    const [first, second] = [net.linear("time.layers.0"), net.linear("time.layers.2")], waves = cfgedu.wavesOf(config);
    return (t) => second(first(waves(t)).map(silu));
  }

  /** eps = sqrt(1 - a) x + sqrt(a) v,   a = exp(-0.1 u - 9.95 u^2),   u = t / T */
  function preconditioned(x, t, T, v) {
    const u = t / T, log = -0.1 * u - 9.95 * u * u, noise = Math.sqrt(-Math.expm1(log)), signal = Math.exp(log / 2);
    return v.map((value, i) => noise * x[i] + signal * value);
  }

  /**
   * A Denoiser (x, t, y) -> eps of a checkpoint of a UNet or TwinUNet; y: one label, or one for each picture. A twin's
   * `pair` gives [eps_un, eps_cond] from one pass of its encoder. fast: whether WebAssembly may be used.
   */
  function unet({ tensors, about }, side = 28, fast = undefined) {
    const { T, width, mults, channels, attention } = about.config, twin = about.class === "TwinUNet";
    if (channels !== 1 || attention) {
      throw new Error("the page has U-Nets for pictures of one channel, without attention");
    }
    const net = cfgedu.layers(tensors, fast), widths = mults.map((factor) => factor * width);
    const block = 2 ** mults.length, frame = Math.ceil(side / block) * block;
    const { data: rows } = net.tensor("label.weight");
    const condition = 2 * width, time = timeEmbedding(net, about.config), encode = encoder(net, side, frame, widths);
    const names = twin ? ["decoder_un", "decoder_cond"] : ["decoder"];
    const decode = names.map((name) => decoder(net, name, side, frame, widths));
    const labelled = (y) => rows.subarray((y + 1) * condition, (y + 2) * condition), size = side * side;

    function alone(x, t, y) {
      const c = sum(time(t), labelled(y)).map(silu);
      return preconditioned(x, t, T, decode[0](encode(x, c), c));
    }

    /** Both predictions of a twin; only the one that the label asks for where `both` is false. */
    function twins(x, t, y, both) {
      const plain = time(t), c = plain.map(silu), features = encode(x, c);
      const predict = (k, own) => preconditioned(x, t, T, decode[k](features, own));
      const un = both || y === NULL ? predict(0, c) : null;
      return [un, y === NULL ? un : predict(1, sum(plain, labelled(y)).map(silu))];
    }

    const model = (x, t, y) => oneByOne(x, size, (own, k) => (
      twin ? twins(own, t, valueAt(y, k), false)[1] : alone(own, t, valueAt(y, k))
    ));
    if (twin) {
      model.pair = (x, t, y) => {
        const pairs = Array.from({ length: x.length / size }, (_, k) => (
          twins(x.subarray(k * size, k * size + size), t, valueAt(y, k), true)
        ));
        return [0, 1].map((which) => oneByOne(x, size, (_, k) => pairs[k][which]));
      };
    }
    return model;
  }

  Object.assign(cfgedu, { unet });
})();
