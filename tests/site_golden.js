// node site_golden.js SCRIPT.. < questions.json > answers.json: what the page's world says, for test_site_world.py.

"use strict";
const fs = require("fs");
const vm = require("vm");

globalThis.setTimeout = (act) => setImmediate(act); // scenes rest between slices of work, for a page: here is none
process.argv.slice(2).forEach((path) => vm.runInThisContext(fs.readFileSync(path, "utf8"), { filename: path }));
const cfgedu = globalThis.cfgedu;

const made = {};
const once = (name) => (made[name] = made[name] || cfgedu[name]());
const worldOf = ([name, part]) => (part === undefined ? once(name) : once(name)[part]);
const points = (x) => Float64Array.from(x.flat());
const scenes = {};

/** The shipped checkpoints by name, each read when it is asked for. */
const networks = new Proxy({}, {
  get(read, name) {
    const path = `${__dirname}/../data/${name}.safetensors`;
    return (read[name] = read[name] || cfgedu.safetensors(new Uint8Array(fs.readFileSync(path)), name));
  },
});

/** The frame of a state, once nothing in it is waited for. */
async function frameOf(scene, state) {
  scenes[scene] = scenes[scene] || cfgedu.scenes[scene].make(networks);
  let frame = scenes[scene](state);
  while (frame.later) {
    await frame.later;
    frame = scenes[scene](state);
  }
  return frame;
}

/** A few numbers that tell a tensor from another. */
function digest({ shape, data }) {
  return [...shape, data[0], data.at(-1), data.reduce((sum, value, i) => sum + value * (i % 97 + 1), 0)];
}

/** A trainer, and where its sets hold the numbers that torch has, in torch's order: the table, then W and b by layer. */
function training(fast) {
  const trainer = cfgedu.trainer(once("islands"), once("linear"), { fast });
  const order = Array.from({ length: trainer.layers[0].w }, (_, k) => k);
  trainer.layers.forEach(({ from, to, inner, w, b }) => {
    for (let o = 0; o < to; o++) {
      for (let i = 0; i < from; i++) {
        order.push(w + (o - o % 8) * inner + i * 8 + o % 8);
      }
    }
    order.push(...Array.from({ length: to }, (_, o) => b + o));
  });
  return { ...trainer, order, numbers: (set) => order.map((at) => trainer.sets[set][at]) };
}

const answers = {
  schedule: ({ schedule }) => once(schedule).alphaBar,
  grid: ({ schedule, steps }) => once(schedule).grid(steps),
  evenAngles: ({ schedule, steps }) => cfgedu.evenAngles(once(schedule), steps),
  mixture: ({ world }) => {
    const { mean, std, weight, label, prior } = worldOf(world);
    return [...mean, ...std, ...weight, ...label, ...prior];
  },
  convert: ({ schedule, t, x, u }) => {
    const s = once(schedule);
    return ["noise", "x0", "eps", "score", "v"].flatMap((name) => [...s[name](points(x), t, points(u))]);
  },
  logProb: ({ world, x, y, a }) => cfgedu.logProb(worldOf(world), points(x), y, a),
  posterior: ({ world, x, a }) => cfgedu.posterior(worldOf(world), points(x), a),
  eps: ({ world, schedule, t, x, y }) => cfgedu.denoiser(worldOf(world), once(schedule))(points(x), t, y),
  pair: ({ world, schedule, t, x, y }) => {
    const model = cfgedu.denoiser(worldOf(world), once(schedule));
    return cfgedu.nullPair(model)(points(x), t, y).flatMap((part) => [...part]);
  },
  vector: ({ world, schedule, t, x, y }) => {
    const s = once(schedule);
    return cfgedu.guidanceVector(cfgedu.nullPair(cfgedu.denoiser(worldOf(world), s)), s)(points(x), t, y);
  },
  trajectory: ({ world, schedule, sampler, method, r, eta, steps, x, y, z }) => {
    const s = once(schedule), pair = cfgedu.nullPair(cfgedu.denoiser(worldOf(world), s)), draws = z.values();
    const scale = r.length === 3 ? cfgedu.within(...r) : r.length ? Float64Array.from(r) : r;
    const model = {
      guided: () => cfgedu.guided(pair, scale),
      rescaled: () => cfgedu.rescaledX0(pair, scale, s),
      projected: () => cfgedu.projected(pair, scale, s),
      threshold: () => cfgedu.dynamicThreshold(cfgedu.guided(pair, scale), s),
    }[method]();
    const step = cfgedu.SAMPLERS[sampler], taken = (...given) => step(...given, eta);
    const walk = cfgedu.trajectory(taken, model, s, points(x), y, steps, () => points(draws.next().value));
    return walk.flatMap((state) => [...state]);
  },
  metrics: ({ world, x, y }) => {
    const mixture = worldOf(world), at = points(x);
    return ["spread", "meanPosterior", "classAccuracy", "lostShare"].map((name) => cfgedu[name](mixture, at, y));
  },
  edges: ({ world, x, y, seed }) => {
    const mixture = worldOf(world), at = points(x);
    const off = cfgedu.offSupport(mixture, at, y, cfgedu.seeded(seed), 0.01, 2000);
    return [...[-1, 0, 1].map((label) => cfgedu.edgeOfSupport(mixture, at, label)), off];
  },
  numbers: ({ seed, n }) => {
    const generator = cfgedu.seeded(seed);
    return [...generator.rand(5), generator.double(), ...generator.randn(n), ...generator.rand(700), ...generator.randint(3, 89, 9)];
  },
  draw: ({ world, n, seed }) => {
    const { x0, y } = cfgedu.draw(worldOf(world), n, cfgedu.seeded(seed));
    return [...x0, ...y];
  },
  drawX0: ({ world, x, y, a, n, seed }) => {
    return cfgedu.drawX0(worldOf(world), points(x), y, a, n, cfgedu.seeded(seed));
  },
  format: ({ value, digits }) => {
    return [cfgedu.fixed(value, digits), cfgedu.percent(value, digits), cfgedu.general(value, digits + 1)];
  },
  checkpoint: ({ name, names }) => names.flatMap((tensor) => digest(networks[name].tensors[tensor])),
  about: ({ name }) => [networks[name].about.class, Object.keys(networks[name].tensors).join(" ")],
  safetensors: ({ bytes, name }) => Object.keys(cfgedu.safetensors(cfgedu.bytesOf(bytes), name).tensors).join(" "),
  guidedBy: ({ world, r, clip, t, x, y }) => {
    const s = once("linear"), model = cfgedu.guidedBy(cfgedu.denoiser(worldOf(world), s), r);
    return (clip ? cfgedu.clipX0(model, s) : model)(points(x), t, y);
  },
  product: ({ given, numbers, fast }) => {
    const { memory, product } = cfgedu.kernel(numbers.length, fast);
    memory.set(numbers);
    product(...given);
    return memory.subarray(0, numbers.length);
  },
  network: ({ name, t, x, y, fast }) => {
    const model = cfgedu.unet(networks[name], 28, fast), at = points(x);
    return [...model(at, t, y), ...cfgedu.nullPair(model)(at, t, y).flatMap((part) => [...part])];
  },
  judge: ({ name, x, fast }) => {
    const judge = cfgedu.judge(networks[name], fast), features = judge.features(points(x));
    return [...features, ...judge.probabilities(features), cfgedu.diversity(features, x.length)];
  },
  digits: ({ state }) => {
    const run = cfgedu.digits(networks)(state);
    let turn = run.next();
    while (!turn.done) {
      turn = run.next();
    }
    const { x, guess, mean, spread, atOne, largest } = turn.value;
    return [...x, ...guess, ...mean, spread, ...atOne.guess, atOne.spread, largest];
  },
  works: async ({ states }) => {
    const heard = [], post = cfgedu.works((message) => heard.push(message));
    ["mnist-unet", "mnist-judge"].forEach((name) => post({ checkpoint: [name, networks[name]] }));
    for (let id = 1; id <= states.length; id++) { // each comes when the one before has taken a step
      post({ id, state: states[id - 1] });
      await new Promise((done) => setTimeout(done));
    }
    while (!heard.some(({ result, error }) => result || error)) {
      await new Promise((done) => setTimeout(done, 5));
    }
    return heard.map(({ id, done, all, result, error }) => `${id}: ${error || (result ? "result" : `${done}/${all}`)}`);
  },
  net: ({ name, kind, none, x, t, y, fast }) => {
    const at = points(x), network = networks[name];
    if (kind === "mlp") {
      return cfgedu.mlp(network, { rows: cfgedu.withNull(network, none), fast })(at, t, y);
    }
    return cfgedu.twinMlp(network, { leaky: kind === "leaky", fast }).pair(at, t, y).flatMap((part) => [...part]);
  },
  autoguided: ({ un, cond, r, x, t, y }) => {
    return cfgedu.guided(cfgedu.twoModels(...[un, cond].map((name) => cfgedu.mlp(networks[name]))), r)(points(x), t, y);
  },
  begun: ({ seed }) => {
    const { begin, numbers } = training();
    begin(seed);
    return numbers("W");
  },
  slopes: ({ name, x, t, y, eps, fast }) => {
    const { layers, sets, order, slopes, numbers } = training(fast), { tensors } = networks[name];
    const parts = ["label.weight", ...layers.flatMap((layer) => [`${layer.name}.weight`, `${layer.name}.bias`])];
    parts.flatMap((part) => [...tensors[`model.${part}`].data]).forEach((value, k) => (sets.W[order[k]] = value));
    return [slopes(points(x), t, y, points(eps)), ...numbers("G")];
  },
  trained: ({ seed, p_drop: rate, steps, x, t, y, fast }) => {
    const { begin, step, numbers, model } = training(fast);
    begin(seed);
    const taken = Array.from({ length: steps }, () => step(rate));
    const hidden = taken.reduce((sum, { dropped }) => sum + dropped, 0);
    return [...taken.map(({ loss }) => loss), hidden, ...numbers("E"), ...model(points(x), t, y)];
  },
  code: ({ scene, state }) => cfgedu.codeOf(scene, cfgedu.demos[scene], state),
  said: async ({ scene, state }) => {
    const { goal } = cfgedu.scenes[scene], { text, found } = await frameOf(scene, state);
    const reached = goal.reached(state, found);
    return [text, String(reached), reached ? goal.told(state, found) : goal.hint(state, found)];
  },
};

async function main() {
  const found = [];
  for (const { ask, ...given } of JSON.parse(fs.readFileSync(0, "utf8"))) {
    try {
      const answer = await answers[ask](given);
      found.push(typeof answer === "string" || typeof answer[0] === "string" ? answer : Array.from(answer, Number));
    } catch (error) {
      found.push(`${error}`); // of a planted error: no number, so not the package's
    }
  }
  process.stdout.write(JSON.stringify(found));
}

main();
