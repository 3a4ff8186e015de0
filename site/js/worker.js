// Work that takes seconds, done beside the page: cfgedu.works(post) gives a function for messages to the lab. A message
// {checkpoint: [name, {tensors, about}]} brings a network; {id, state} asks for the digits of a state, and ends what
// was asked before. The answers are {id, x, done, all} after every step and {id, result}, or {id, error}.
// In a worker it says {ready: true} and listens by itself; without workers the page calls it.

(function () {
  "use strict";
  const cfgedu = globalThis.cfgedu = globalThis.cfgedu || {};

  function works(post) {
    const checkpoints = {};
    let lab = null, latest = 0;

    async function work(id, state) {
      lab = lab || cfgedu.digits(checkpoints);
      const run = lab(state);
      for (let turn = run.next(); ; turn = run.next()) {
        post(turn.done ? { id, result: turn.value } : { id, ...turn.value });
        await new Promise((done) => setTimeout(done)); // here a new message may come in
        if (turn.done || id !== latest) {
          return;
        }
      }
    }

    return ({ checkpoint, id, state }) => {
      if (checkpoint) {
        checkpoints[checkpoint[0]] = checkpoint[1];
      } else {
        latest = id;
        work(id, state).catch((error) => post({ id, error: error.message }));
      }
    };
  }

  Object.assign(cfgedu, { works });
  if (typeof WorkerGlobalScope !== "undefined") {
    const work = works((message) => globalThis.postMessage(message));
    globalThis.addEventListener("message", (event) => work(event.data));
    globalThis.postMessage({ ready: true });
  }
})();
