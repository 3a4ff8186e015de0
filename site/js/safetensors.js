// Checkpoints as the course ships them, read from their very bytes, as cfgedu.checkpoints reads them:
// 8 bytes for the length of the header, the header in JSON, then the tensors one after the other.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const KINDS = { F16: Uint16Array, F32: Float32Array, F64: Float64Array };

  const { say } = cfgedu;

  /** The number that 16 bits stand for: a sign, 5 bits of an exponent, 10 of a fraction. Infinite ones do not occur. */
  function half(bits) {
    const exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits & 32768 ? -1 : 1;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  }

  /** The bytes of a base64 text. */
  function bytesOf(text) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = letters.charCodeAt(i);
    }
    return bytes;
  }

  /**
   * {tensors: {tensor's name: {shape, data}}, about} of a checkpoint's bytes (Uint8Array); about: what the file says of
   * itself, such as its class and config. Throws an Error that names the file where it is not what it should be.
   */
  function safetensors(bytes, name = "the file") {
    const refuse = (why, given = {}) => {
      throw new Error(say(why, { name, ...given }));
    };
    const SHORT = "{name} is truncated or not a safetensors file";
    const start = bytes.length < 8 ? NaN : 8 + Number(
      new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true),
    );
    if (!(start <= bytes.length)) {
      refuse(SHORT);
    }
    let header, about;
    try {
      header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
      about = header.__metadata__ && header.__metadata__.cfgedu && JSON.parse(header.__metadata__.cfgedu);
    } catch {
      refuse("{name} has a header that cannot be read");
    }
    if (!about) {
      refuse("{name} is not a checkpoint of this course: it lacks the metadata entry 'cfgedu'");
    }
    const tensors = {}, body = bytes.slice(start); // from here on every tensor lies at a multiple of its type's size
    let end = 0;
    Object.entries(header).filter(([tensor]) => tensor !== "__metadata__").forEach(([tensor, given]) => {
      const { dtype: kind, shape, data_offsets: [from, to] } = given, Numbers = KINDS[kind];
      if (!Numbers) {
        const kinds = Object.keys(KINDS).join(", ");
        refuse("{name}: the tensor {tensor} is of the type {kind}, not one of {kinds}", { tensor, kind, kinds });
      }
      const count = shape.reduce((product, side) => product * side, 1), size = Numbers.BYTES_PER_ELEMENT;
      if (!(from >= 0 && to <= body.length && to - from === count * size && from % size === 0)) {
        refuse("{name}: the tensor {tensor} is not where the header says", { tensor });
      }
      const data = new Numbers(body.buffer, from, count);
      tensors[tensor] = { shape, data: kind === "F16" ? Float32Array.from(data, half) : data };
      end = Math.max(end, to);
    });
    if (end !== body.length) {
      refuse(SHORT);
    }
    return { tensors, about };
  }

  Object.assign(cfgedu, { bytesOf, safetensors });
})();
