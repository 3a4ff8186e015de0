// The random numbers of torch's CPU generator: seeded(0).randn(n) are those of torch.manual_seed(0), so that a cloud in
// the page is the cloud of the notebook. What differs is the last bit of a float32, where torch rounds otherwise.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  /** A generator of its own for one experiment: the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998). */
  function seeded(seed) {
    const state = new Uint32Array(624);
    let at = 624;
    state[0] = seed;
    for (let i = 1; i < 624; i++) {
      state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    }

    /** 32 random bits. */
    function bits() {
      if (at === 624) {
        for (let i = 0; i < 624; i++) {
          const mixed = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
          state[i] = state[(i + 397) % 624] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
        }
        at = 0;
      }
      let u = state[at++];
      u ^= u >>> 11;
      u ^= (u << 7) & 0x9d2c5680;
      u ^= (u << 15) & 0xefc60000;
      return (u ^ (u >>> 18)) >>> 0;
    }

    /** One number in [0, 1) of 53 bits, as torch draws a float64: the high word first. */
    function double() {
      const high = bits() & 0x1fffff;
      return (high * 4294967296 + bits()) / 9007199254740992;
    }

    /** n numbers in [0, 1) of 24 bits, as torch draws a float32. */
    function rand(n) {
      return Float64Array.from({ length: n }, () => (bits() & 0xffffff) / 16777216);
    }

    /** n draws of N(0, 1) in float32, n >= 16: sqrt(-2 log u) (cos, sin)(2 pi v) of Box and Muller, by blocks. */
    function randn(n) {
      const z = rand(n);
      for (let i = 0; i + 16 <= n; i += 16) {
        normal(z, i);
      }
      if (n % 16) {
        z.set(rand(16), n - 16); // the last block is drawn anew, over the end of the one before
        normal(z, n - 16);
      }
      return z;
    }

    /** n integers in low..high. */
    function randint(low, high, n) {
      return Int32Array.from({ length: n }, () => low + bits() % (high - low + 1));
    }

    return { double, rand, randn, randint };
  }

  /** 16 uniform numbers from place i of u, turned into normal ones: u[i + k] and u[i + k + 8] make a pair. */
  function normal(u, i) {
    for (let k = i; k < i + 8; k++) {
      const radius = Math.fround(Math.sqrt(-2 * Math.log(1 - u[k])));
      const angle = Math.fround(2 * Math.PI * u[k + 8]);
      u[k] = Math.fround(radius * Math.cos(angle));
      u[k + 8] = Math.fround(radius * Math.sin(angle));
    }
  }

  /** n places, place j with the probability weight[j] (float32): where a random number falls among the sums. */
  function multinomial(weight, n, generator) {
    const sums = Float32Array.from(weight);
    for (let j = 1; j < sums.length; j++) {
      sums[j] += sums[j - 1];
    }
    const total = sums[sums.length - 1];
    for (let j = 0; j < sums.length; j++) {
      sums[j] /= total;
    }
    return Int32Array.from({ length: n }, () => {
      const u = generator.double();
      const j = sums.findIndex((sum) => sum >= u);
      return j < 0 ? sums.length - 1 : j;
    });
  }

  /** replay() gives the randn of a generator that starts anew from the seed; what it draws is made once and kept. */
  function replayed(seed) {
    const generator = seeded(seed), made = [];
    return () => {
      let k = 0;
      return (n) => {
        made[k] = made[k] || generator.randn(n);
        return made[k++];
      };
    };
  }

  Object.assign(cfgedu, { seeded, multinomial, replayed });
})();
