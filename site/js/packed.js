// Large files, loaded when they are asked for. Each is a script of its own, packed/NAME.js, that hands over a text: a
// page that is opened from its folder may load scripts and nothing else.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};
  const home = globalThis.document && document.currentScript ? document.currentScript.src : "";

  const arrived = {}, asked = {};

  /** A promise of the text of packed/NAME.js, loaded once; where it cannot be loaded, the next call tries again. */
  function packed(name) {
    asked[name] = asked[name] || new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL(`packed/${name}.js`, home).href;
      const settle = () => {
        script.remove();
        if (name in arrived) {
          done(arrived[name]);
        } else {
          delete asked[name];
          failed(new Error(cfgedu.say("{name} could not be loaded", { name })));
        }
      };
      script.addEventListener("load", settle);
      script.addEventListener("error", settle);
      document.head.append(script);
    });
    return asked[name];
  }

  /** What a packed script calls. */
  function arrive(name, text) {
    arrived[name] = text;
  }

  const read = {};

  /** A promise of a shipped checkpoint, {tensors, about}, by its name in data/: read once. */
  function checkpoint(name) {
    return packed(name).then((text) => (read[name] = read[name] || cfgedu.safetensors(cfgedu.bytesOf(text), name)));
  }

  Object.assign(cfgedu, { packed, arrive, checkpoint });
})();
