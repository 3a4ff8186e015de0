// The heavy loop of the networks: gemm.wat as WebAssembly, and for a browser without it the same loop in JavaScript.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const LANES = 8; // outputs that the loop makes at a time

  /** What gemm.wat compiles to, in base64; tests/test_site_networks.py compares the two. */
  const BINARY =
    "AGFzbQEAAAABEgFgDn9/f39/f39/f39/f39/AAIIAQFtAW0CAAEDAgEABwsBB3Byb2R1Y3QAAAqCBAH/AwILfwt7IAJBAmwhFyAC" +
    "QQNsIRgDQEEAIQ4DQEEAIQ8DQCAAIA4gAWwgDyACbGpqIRAgCSAOIApsIA8gC2xqaiERIAf9AAQAIRkgB/0ABBAhGiAZIRwgGiEd" +
    "IBkhHiAaIR8gGSEgIBohISAZISIgGiEjIAYhFiAQIRMgBCESA0AgEyEVIAUhFANAIBb9AAQAIRkgFv0ABBAhGiAV/QkCACEbIBwg" +
    "GyAZ/eYB/eQBIRwgHSAbIBr95gH95AEhHSAVIAJq/QkCACEbIB4gGyAZ/eYB/eQBIR4gHyAbIBr95gH95AEhHyAVIBdq/QkCACEb" +
    "ICAgGyAZ/eYB/eQBISAgISAbIBr95gH95AEhISAVIBhq/QkCACEbICIgGyAZ/eYB/eQBISIgIyAbIBr95gH95AEhIyAVQQRqIRUg" +
    "FkEgaiEWIBRBAWsiFA0ACyATIANqIRMgEkEBayISDQALIBEgHP0LBAAgESAd/QsEECARIAtqIREgESAe/QsEACARIB/9CwQQIBEg" +
    "C2ohESARICD9CwQAIBEgIf0LBBAgESALaiERIBEgIv0LBAAgESAj/QsEECANQQRrIRQgDyAUSARAIA9BBGohDyAPIBRKBEAgFCEP" +
    "CwwBCwsgDkEBaiIOIAxIDQALIBYhBiAHQSBqIQcgCUEgaiEJIAhBAWsiCA0ACwsA4gEEbmFtZQKwAQEAJAABYQEEYVJvdwIFYVN0" +
    "ZXADBGFUYXAEBHRhcHMFA3J1bgYBdwcEYmlhcwgGYmxvY2tzCQFjCgRjUm93CwVjU3RlcAwEcm93cw0Fd2lkdGgOA3Jvdw8BeBAC" +
    "YXQRAnRvEgN0YXATBGxpbmUUAWkVAXAWAXEXA3R3bxgFdGhyZWUZA2xvdxoEaGlnaBsBcxwCYTAdAmExHgJiMB8CYjEgAmMwIQJj" +
    "MSICZDAjAmQxAygBAAUABWJsb2NrAQdlYWNoUm93AgVlYWNoWAMHZWFjaFRhcAQDc3Vt";
  const program = () => Uint8Array.from(atob(BINARY), (letter) => letter.charCodeAt(0));

  /** Whether the browser can run it: WebAssembly with simd128. */
  function able() {
    return typeof WebAssembly === "object" && WebAssembly.validate(program());
  }

  /**
   * {memory, room, weights, product}: `memory` (Float32Array) has room for so many numbers, room(n) sets n of them
   * apart and gives their place, weights(tensor, tensor) puts a layer there, `product` is the loop as gemm.wat has it,
   * but that places and lengths count numbers, not bytes.
   */
  function kernel(numbers, fast = able()) {
    const pages = Math.ceil(4 * numbers / 65536);
    const m = fast ? new WebAssembly.Memory({ initial: pages }) : { buffer: new ArrayBuffer(65536 * pages) };
    const memory = new Float32Array(m.buffer);
    let used = 0;

    function room(n) {
      const at = used;
      used += n + (-n & 3); // blocks of four numbers begin where they are loaded fastest
      if (used > memory.length) {
        throw new RangeError(`the kernel has room for ${memory.length} numbers, not for ${used}`);
      }
      return at;
    }

    /** Weights (out, in, high, wide) and a bias (out,) as the loop wants them: by 8 outputs; high, wide, in, output. */
    function weights({ shape: [out, inner, high = 1, wide = 1], data }, bias) {
      const blocks = Math.ceil(out / LANES), depth = high * wide * inner;
      const w = room(blocks * depth * LANES), b = room(blocks * LANES);
      for (let o = 0; o < out; o++) {
        const to = w + Math.floor(o / LANES) * depth * LANES + o % LANES;
        for (let i = 0; i < inner; i++) {
          for (let k = 0; k < high * wide; k++) {
            memory[to + (k * inner + i) * LANES] = data[(o * inner + i) * high * wide + k];
          }
        }
      }
      memory.set(bias.data, b);
      return { w, b, inner, size: high, blocks };
    }

    if (!fast) {
      return { memory, room, weights, product: (...given) => plain(memory, ...given) };
    }
    const running = new WebAssembly.Instance(new WebAssembly.Module(program()), { m: { m } });
    const { product } = running.exports;
    return {
      memory,
      room,
      weights,
      product: (a, aRow, aStep, aTap, taps, run, w, bias, blocks, c, cRow, cStep, rows, width) => product(
        4 * a, 4 * aRow, 4 * aStep, 4 * aTap, taps, run, 4 * w, 4 * bias, blocks, 4 * c, 4 * cRow, 4 * cStep, rows,
        width,
      ),
    };
  }

  /** The loop in JavaScript: 8 sums at a time, in float64 until they are stored. */
  function plain(m, a, aRow, aStep, aTap, taps, run, w, bias, blocks, c, cRow, cStep, rows, width) {
    const each = taps * run * 8;
    for (let block = 0; block < blocks; block++, w += each, bias += 8, c += 8) {
      for (let row = 0; row < rows; row++) {
        for (let x = 0; x < width; x++) {
          const from = a + row * aRow + x * aStep, to = c + row * cRow + x * cStep;
          let s0 = m[bias], s1 = m[bias + 1], s2 = m[bias + 2], s3 = m[bias + 3];
          let s4 = m[bias + 4], s5 = m[bias + 5], s6 = m[bias + 6], s7 = m[bias + 7];
          for (let tap = 0, q = w; tap < taps; tap++) {
            for (let p = from + tap * aTap, end = p + run; p < end; p++, q += 8) {
              const u = m[p];
              s0 += u * m[q];
              s1 += u * m[q + 1];
              s2 += u * m[q + 2];
              s3 += u * m[q + 3];
              s4 += u * m[q + 4];
              s5 += u * m[q + 5];
              s6 += u * m[q + 6];
              s7 += u * m[q + 7];
            }
          }
          m[to] = s0;
          m[to + 1] = s1;
          m[to + 2] = s2;
          m[to + 3] = s3;
          m[to + 4] = s4;
          m[to + 5] = s5;
          m[to + 6] = s6;
          m[to + 7] = s7;
        }
      }
    }
  }

  Object.assign(cfgedu, { LANES, kernel });
})();
