// What tools/browser.py calls in JupyterLab's page: about a notebook, a demo and its controls.

const notebook = () => window.jupyterapp?.shell.currentWidget

window.course = {
  ready: () => notebook()?.context?.isReady && notebook().sessionContext?.session?.kernel?.status === "idle",

  run: limit => Promise.race([
    jupyterapp.commands.execute("notebook:run-all-cells"),
    new Promise((_, fail) => setTimeout(fail, limit, Error(`the cells ran for more than ${limit / 1000} s`))),
  ]),

  code: () => notebook().content.model.toJSON().cells
    .filter(cell => cell.cell_type === "code" && String(cell.source).trim()),

  save: () => notebook().context.save(),

  close: () => notebook().sessionContext.shutdown(),

  // What the page shows where demos are stored: the width of the picture, and the words, such as a widget's error.
  demos: () => notebook().content.widgets
    .filter(cell => JSON.stringify(cell.model.toJSON().outputs ?? []).includes("application/vnd.cfgedu.demo+json"))
    .map(cell => cell.node.querySelector(".jp-OutputArea"))
    .map(area => ({ width: area?.querySelector("img")?.naturalWidth, text: area?.innerText.trim() })),

  // From here on, notes what a demo does. A moving picture has fewer pixels than the sharp one at rest. The code of a
  // state is written after every picture: where it changes alone, the new picture equals the old one.
  watch(demo) {
    const picture = demo.querySelector("img")
    const log = { picture, sharp: 0, pictures: 0, heights: [], key: null, ms: null, told: performance.now() }
    const pressed = event => { log.key = event.timeStamp }
    demo.addEventListener("keydown", pressed, true)
    demo.addEventListener("change", pressed, true) // the keys of an open list reach that alone
    picture.addEventListener("load", () => {
      if (picture.naturalWidth >= log.sharp) return
      log.pictures += 1
      requestAnimationFrame(() => {
        if (log.key !== null) [log.ms, log.key] = [performance.now() - log.key, null]
      })
    })
    const code = demo.querySelector("pre").parentElement
    new MutationObserver(() => { log.told = performance.now() }).observe(code, { childList: true })
    new ResizeObserver(() => log.heights.push(demo.offsetHeight)).observe(demo)
    course.log = log
  },

  listen() { [course.log.key, course.log.ms, course.log.told] = [null, null, Infinity] },
  // Milliseconds from a key to its picture, "same" for a picture like the last one, null while there is no answer.
  answer: () => course.log.ms ?? (performance.now() - course.log.told > 500 ? "same" : null),

  // The sharp picture is there, and nothing is under way to another.
  resting() {
    const log = course.log
    log.sharp = Math.max(log.sharp, log.picture.naturalWidth)
    const quiet = log.told === Infinity || performance.now() - log.told > 500
    return quiet && log.picture.complete && log.picture.naturalWidth === log.sharp
      && notebook().sessionContext.session.kernel.status === "idle"
  },

  async digest() {
    const bytes = await (await fetch(course.log.picture.src)).arrayBuffer()
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).join()
  },

  label: part => part.closest(".jupyter-widgets").querySelector("label").textContent.trim(),

  number(part) {
    if (part.type === "checkbox") return part.checked
    if (part.tagName === "SELECT") return part.value
    return part.closest(".jupyter-widgets").querySelector(".widget-readout").textContent
  },

  // Where a control stands, and its end.
  room: part => part.tagName === "SELECT"
    ? [part.selectedIndex, part.length - 1]
    : [part.getAttribute("aria-valuenow"), part.getAttribute("aria-valuemax")].map(Number),
}
