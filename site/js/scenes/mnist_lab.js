// The MNIST lab: ten digits of one class from ten noises, drawn beside the page, and what a judge takes them for.

(function () {
  "use strict";
  const { CLASSES, UN, fixed, say } = cfgedu;
  const COUNT = 10, COLUMNS = 5, SIDE = 28, STRIDE = SIDE + 1; // of the sheet, in pixels of the digits
  const ASKED = CLASSES[0], WRONG = "#A04700"; // a darker ink of class 1
  const SHEET = [COLUMNS * STRIDE - 1, COUNT / COLUMNS * STRIDE - 1];
  const KEPT = 64; // results that are kept
  const NETWORKS = { one: "mnist-unet", twin: "mnist-twin-unet" };

  /** A promise of post(message), which asks the work beside the page; its answers go to `told`. */
  async function crew(told) {
    if (!cfgedu.works) {
      const source = await cfgedu.packed("worker"), worker = await started(source, told);
      if (worker) {
        return (message) => worker.postMessage(message);
      }
      const script = document.createElement("script"); // the page does the work itself
      script.textContent = source;
      document.head.append(script);
    }
    return cfgedu.works(told);
  }

  /** A promise of a worker that has said that it is there; of null where the host allows none, at once or later. */
  function started(source, told) {
    return new Promise((done) => {
      let ready = false;
      try {
        const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
        worker.addEventListener("message", ({ data }) => {
          ready = ready || data.ready;
          return data.ready ? done(worker) : told(data);
        });
        worker.addEventListener("error", ({ message }) => (
          ready ? told({ error: message || say("the worker has ended") }) : done(null)
        ));
      } catch {
        done(null);
      }
    });
  }

  function make(checkpoints) {
    const results = new Map(), sent = {};
    let job = null, id = 0;

    /** What the crew tells of the job that is wanted, or of itself; that of earlier jobs is late. */
    function told(message) {
      if (job && (message.id || job.id) === job.id) {
        if (message.result) {
          results.set(job.key, message.result);
          if (results.size > KEPT) {
            results.delete(results.keys().next().value); // the oldest
          }
        }
        const { news } = job;
        job = message.result ? null : { ...job, ...message, id: job.id, ...awaited() };
        news();
      }
    }

    /** A promise `later`, kept when `news` is called. */
    function awaited() {
      let news;
      const later = new Promise((done) => (news = done));
      return { later, news };
    }

    let crewOf = null;

    async function ask({ id: mine }, state) {
      try {
        crewOf = crewOf || crew(told);
        const post = await crewOf;
        for (const name of [NETWORKS.one, "mnist-judge", NETWORKS[state.network]]) {
          sent[name] = sent[name] || Promise.resolve(checkpoints[name] || cfgedu.checkpoint(name)).then((read) => (
            post({ checkpoint: [name, read] })
          ));
          await sent[name];
        }
        if (job && mine === job.id) {
          post({ id: mine, state });
        }
      } catch (error) {
        Object.keys(sent).forEach((name) => delete sent[name]);
        crewOf = null;
        told({ id: mine, error: error.message });
      }
    }

    return (state) => {
      const { label, r, steps } = state, key = JSON.stringify(state), done = results.get(key);
      const words = { label, r, steps };
      if (done) {
        job = null;
        const right = done.guess.filter((k) => k === label).length, { spread, atOne, largest } = done;
        const rightAtOne = atOne.guess.filter((k) => k === label).length;
        const text = say(
          "class {label}, r = {r:.1f}, {steps} steps: the judge agrees on {right} of {count}; " +
          "diversity {spread:.1f} (at r = 1: {at_one:.1f}); largest |pixel| {largest:.1f}",
          { ...words, right, count: COUNT, spread, at_one: atOne.spread, largest },
        );
        return { text, draw: drawing(words, done), found: { right, rightAtOne, spread, one: atOne.spread } };
      }
      if (!job || job.key !== key) {
        job = { id: ++id, key, ...awaited() };
        ask(job, state);
      }
      if (job.error) {
        return { text: job.error, draw: drawing(words, {}), found: null };
      }
      const text = !job.x ? say("loading the network …") : (
        say("class {label}, r = {r:.1f}: step {done} of {all} …", { ...words, done: job.done, all: job.all })
      );
      return { text, draw: drawing(words, { x: job.x }), found: null, later: job.later };
    };
  }

  /** The sheet of digits x, those that the judge takes for another class framed; and its mean probabilities. */
  function drawing({ label, r }, { x, guess = [], mean = [] }) {
    return ([sheet, bars]) => {
      for (let i = 0; i < COUNT; i++) {
        const left = i % COLUMNS * STRIDE, low = SHEET[1] - Math.floor(i / COLUMNS) * STRIDE - SIDE;
        const window = [left + 0.5, left + SIDE - 0.5, low + 0.5, low + SIDE - 0.5];
        sheet.image(SIDE, (k, pixel) => {
          const place = (SIDE - 1 - Math.floor(k / SIDE)) * SIDE + k % SIDE; // pictures are given from the top
          pixel.fill(x ? Math.round(127.5 + 127.5 * Math.min(Math.max(x[i * SIDE * SIDE + place], -1), 1)) : 238);
        }, window, false);
        if (guess.length && guess[i] !== label) {
          const [right, top] = [left + SIDE, low + SIDE];
          const frame = [left, low, right, low, right, top, left, top, left, low];
          sheet.line(frame, { color: WRONG, width: 3 });
          sheet.bar(left + 3.5, top, { color: WRONG, width: 7, from: top - 9 });
          sheet.text(left + 3.5, top - 7, String(guess[i]), { size: 13, align: "center", fill: "#FFFFFF" });
        }
      }
      sheet.title(`you asked for ${label}, r = ${fixed(r, 1)}`);
      sheet.frame();
      mean.forEach((p, k) => bars.bar(k, p, { color: k === label ? ASKED : UN, width: 0.8 }));
      bars.frame();
    };
  }

  cfgedu.scenes.mnist_lab = {
    make,
    goal: {
      words: say(
        "Find a class and a seed with which r = 1 spoils a digit, and an r that mends all ten and leaves half of the " +
        "diversity.",
      ),
      reached: (_, { right, rightAtOne, spread, one }) => (
        rightAtOne < COUNT && right === COUNT && spread >= one / 2
      ),
      hint: (_, { right, rightAtOne, spread, one }) => (
        rightAtOne === COUNT ? say("At r = 1 the judge agrees on all ten: try another class, or another seed.") : (
          right < COUNT ? say("The judge agrees on {right}: raise r.", { right }) : (
            say("All ten can be read; {share:.0%} of the diversity is left: lower r.", { share: spread / one })
          )
        )
      ),
      told: () => say(
        "A part of what guidance takes away was misdrawn. The rest is handwriting: raise r further and see.",
      ),
    },
    panels: [
      {
        x: [-1, SHEET[0] + 1], y: [-1, SHEET[1] + 1], ratio: (SHEET[0] + 2) / (SHEET[1] + 2), bare: true,
        xlabel: "in orange: the other digit that the judge sees",
      },
      {
        x: [-0.6, 9.6], y: [0, 1.02], ratio: 1.3, title: "what the judge sees (blue: asked for)", xlabel: "digit",
        ylabel: "mean probability", xticks: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], yticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
      },
    ],
  };
})();
