// Layers of the image networks, on the memory of a kernel (gemm.js), for one picture at a time.
//
// A picture is {at, side, channels}: side x side places, each with its channels next to each other, and a rim of zeros
// one place wide; `at` is where the rim begins. The rim is what a convolution with padding sees beyond the edge.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const { LANES } = cfgedu;

  const silu = (u) => u / (1 + Math.exp(-u));
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  const upTo = (n, step) => Math.ceil(n / step) * step;

  /** The layers of one network whose weights are `tensors`; names are those of the package, without "model.". */
  function layers(tensors, fast) {
    const numbers = Object.values(tensors).reduce((sum, { data }) => sum + upTo(data.length, LANES), 0);
    const { memory, room, weights, product } = cfgedu.kernel(2 * numbers + 2e6, fast), kept = {};
    const tensor = (name) => tensors[`model.${name}`];
    const has = (name) => Boolean(tensor(`${name}.weight`));

    function picture(side, channels) {
      return { at: room((side + 2) ** 2 * channels), side, channels };
    }

    /** A picture that several layers use, one after the other. */
    function scratch(side, channels, use) {
      const key = `${use} ${side} ${channels}`;
      return (kept[key] = kept[key] || picture(side, channels));
    }

    const row = ({ side, channels }) => (side + 2) * channels;
    const inside = (image) => image.at + row(image) + image.channels; // the first place that is not of the rim

    /** Calls visit(place in memory, x, y) for each place of a picture. */
    function each(image, visit) {
      for (let y = 0; y < image.side; y++) {
        for (let x = 0, at = inside(image) + y * row(image); x < image.side; x++, at += image.channels) {
          visit(at, x, y);
        }
      }
    }

    /** A convolution of 3 x 3 or 1 x 1 places: run(from, to). `to` has as many channels as there are outputs, or 8. */
    function convolution(name, stride = 1) {
      const { w, b, inner, size, blocks } = weights(tensor(`${name}.weight`), tensor(`${name}.bias`));
      return (from, to) => {
        const start = size === 3 ? from.at : inside(from), step = from.channels * stride;
        product(
          start, row(from) * stride, step, row(from), size, size * inner, w, b, blocks,
          inside(to), row(to), to.channels, to.side, to.side,
        );
        return to;
      };
    }

    /** out = W u + b for a few numbers u, in float64. */
    function linear(name) {
      const { shape: [out, inner], data } = tensor(`${name}.weight`), { data: bias } = tensor(`${name}.bias`);
      return (u) => Float64Array.from({ length: out }, (_, o) => {
        let sum = bias[o];
        for (let i = 0; i < inner; i++) {
          sum += data[o * inner + i] * u[i];
        }
        return sum;
      });
    }

    /**
     * silu(n (1 + scale) + shift), n the picture normalised in groups of channels with a weight and a bias a channel:
     * run(from, to, [scale, shift]). `to` may be `from`.
     */
    function normalised(name) {
      const { data: weight } = tensor(`${name}.weight`), { data: bias } = tensor(`${name}.bias`), n = weight.length;
      const groups = divisor(8, n), size = n / groups, gain = new Float64Array(n), lift = new Float64Array(n);
      return (from, to, [scale, shift] = []) => {
        const sum = new Float64Array(n), squares = new Float64Array(n), count = size * from.side ** 2;
        each(from, (at) => {
          for (let k = 0; k < n; k++) {
            const u = memory[at + k];
            sum[k] += u;
            squares[k] += u * u;
          }
        });
        for (let g = 0; g < groups; g++) {
          const own = (values) => values.subarray(g * size, g * size + size).reduce((total, u) => total + u, 0) / count;
          const mean = own(sum), width = Math.sqrt(own(squares) - mean * mean + 1e-5);
          for (let k = g * size; k < g * size + size; k++) {
            const stretch = scale ? 1 + scale[k] : 1;
            gain[k] = weight[k] / width * stretch;
            lift[k] = (bias[k] - mean * weight[k] / width) * stretch + (shift ? shift[k] : 0);
          }
        }
        const ahead = to.at - from.at;
        each(from, (at) => {
          for (let k = 0; k < n; k++) {
            memory[at + ahead + k] = silu(memory[at + k] * gain[k] + lift[k]);
          }
        });
        return to;
      };
    }

    return { memory, tensor, has, picture, scratch, inside, row, each, convolution, linear, normalised };
  }

  /** Rows of `size` numbers of x, such as the pictures of a batch: all that f(row, k) gives, one after the other. */
  function oneByOne(x, size, f) {
    const parts = Array.from({ length: x.length / size }, (_, k) => f(x.subarray(k * size, k * size + size), k));
    const all = new Float64Array(parts.length * parts[0].length);
    parts.forEach((part, k) => all.set(part, k * part.length));
    return all;
  }

  const falling = (n) => Array.from({ length: n }, (_, k) => 1000 * 10 ** (-4 * k / n));

  /** waves(t): sines and cosines of t / T, at `width` / 2 frequencies from 1000 down to 0.1 unless others are given. */
  function wavesOf({ T, width }, frequency = falling(width / 2)) {
    return (t) => {
      const angle = frequency.map((f) => t / T * f);
      return [...angle.map(Math.sin), ...angle.map(Math.cos)];
    };
  }

  Object.assign(cfgedu, { layers, silu, upTo, oneByOne, wavesOf });
})();
