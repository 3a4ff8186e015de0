// What tools/browser.py and tools/browser_demo.py call in the page: about a notebook, a demo and its parts.

const notebook = () => window.jupyterapp?.shell.currentWidget

window.course = {
  ready: () => notebook()?.context?.isReady && notebook().sessionContext?.session?.kernel?.status === "idle",

  // Runs the cells at these places, one after the other; all of them where there is no list.
  async run(places, limit) {
    const late = new Promise((_, fail) => setTimeout(fail, limit, Error(`the cells ran for more than ${limit / 1000} s`)))
    const { content } = notebook()
    const each = async () => {
      for (const place of places ?? []) {
        content.deselectAll()
        content.activeCellIndex = place
        await jupyterapp.commands.execute("notebook:run-cell")
      }
    }
    await Promise.race([places ? each() : jupyterapp.commands.execute("notebook:run-all-cells"), late])
  },

  // The cells at these places, of all those with code where there is no list.
  code: places => notebook().content.model.toJSON().cells
    .filter((cell, i) => cell.cell_type === "code" && String(cell.source).trim() && (places ?? [i]).includes(i)),

  save: () => notebook().context.save(),

  async open(path) {
    await jupyterapp.restored
    const document = await jupyterapp.commands.execute("docmanager:open", { path })
    await document.context.ready
    await document.sessionContext.ready
  },

  // Ends the kernel, and takes the notebook out of the page, if one was opened.
  async close() {
    const document = notebook()
    if (!document?.sessionContext) return
    await document.sessionContext.shutdown()
    document.dispose()
  },

  theme: name => jupyterapp.commands.execute("apputils:change-theme", { theme: name }),

  // The value of a Python expression in the notebook's kernel, a number; statements run before it.
  async python(expression, statements = "") {
    const asked = { code: statements, silent: true, user_expressions: { value: expression } }
    const { content } = await notebook().sessionContext.session.kernel.requestExecute(asked).done
    const { value } = content.user_expressions ?? {}
    if (content.status !== "ok" || value.status !== "ok") throw Error((value ?? content).evalue)
    return Number(value.data["text/plain"])
  },

  // What the page shows where demos are stored: the width of the picture, and the words, such as a widget's error.
  demos: () => notebook().content.widgets
    .filter(cell => JSON.stringify(cell.model.toJSON().outputs ?? []).includes("application/vnd.cfgedu.demo+json"))
    .map(cell => cell.node.querySelector(".jp-OutputArea"))
    .map(area => ({ width: area?.querySelector("img")?.naturalWidth, text: area?.innerText.trim() })),

  // From here on, notes what a demo does. A moving picture has fewer pixels than the sharp one at rest. The code of a
  // state is written after every picture: where it changes alone, the new picture equals the old one.
  watch(demo) {
    const picture = demo.querySelector("img")
    const log = { demo, picture, sharp: 0, pictures: 0, heights: [], numbers: [], key: null, ms: null, told: performance.now() }
    const pressed = event => { log.key = event.timeStamp }
    demo.addEventListener("keydown", pressed, true)
    demo.addEventListener("change", pressed, true) // the keys of an open list reach that alone
    demo.addEventListener("pointerdown", pressed, true)
    picture.addEventListener("load", () => {
      if (picture.naturalWidth >= log.sharp) return
      log.pictures += 1
      requestAnimationFrame(() => {
        if (log.key !== null) [log.ms, log.key] = [performance.now() - log.key, null]
      })
    })
    const code = demo.querySelector("pre").parentElement
    new MutationObserver(() => {
      log.told = performance.now()
      log.numbers.push(course.numbers())
    }).observe(code, { childList: true })
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
    const quiet = log.told === Infinity || performance.now() - log.told > 150
    return quiet && log.picture.complete && log.picture.naturalWidth === log.sharp
      && notebook().sessionContext.session.kernel.status === "idle"
  },

  async digest() {
    const bytes = await (await fetch(course.log.picture.src)).arrayBuffer()
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).join()
  },

  readout: () => course.log.demo.querySelector(".cfgedu-readout").innerText,

  label: part => part.closest(".jupyter-widgets").querySelector("label").textContent.trim(),

  number(part) {
    if (part.type === "checkbox") return part.checked
    if (part.tagName === "SELECT") return part.value
    return part.closest(".jupyter-widgets").querySelector(".widget-readout").textContent
  },

  controls: () => [...course.log.demo.querySelectorAll("select, input[type=checkbox], [role=slider]")],

  // Where the controls stand, by their labels.
  numbers: () => Object.fromEntries(course.controls().map(part => [course.label(part), course.number(part)])),

  disabled: part => part.disabled ?? !!part.closest("[disabled]"),

  // Where a control stands, and its end.
  room: part => part.tagName === "SELECT"
    ? [part.selectedIndex, part.length - 1]
    : [part.getAttribute("aria-valuenow"), part.getAttribute("aria-valuemax")].map(Number),

  // The pixels of a slider's track, and its length in the units of its number.
  track: part => [part.closest(".noUi-base").clientWidth,
    part.getAttribute("aria-valuemax") - part.getAttribute("aria-valuemin")],

  // What one sees of the parts that have a name for a screen reader, in the order of `parts`.
  seen() {
    const shown = part => part.getClientRects().length
    course.parts = [...course.log.demo.querySelectorAll("select, input, textarea, [role=slider], button, img")].filter(shown)
    return course.parts.map(part => {
      if (part.matches("button")) return { kind: "button", label: part.innerText.trim() }
      if (part.matches("img")) return { kind: "picture", label: part.alt }
      const slider = part.matches("[role=slider]")
        && { number: course.number(part), said: part.getAttribute("aria-valuetext") }
      return { kind: "control", label: course.label(part), ...slider }
    })
  },

  // {what, color, ground} of every text in a demo, and of the marks that show where its controls are.
  colors() {
    const { demo } = course.log, style = part => getComputedStyle(part)
    const ground = part => {
      while (part && /^rgba\(.*, 0\)$/.test(style(part).backgroundColor)) part = part.parentElement
      return part ? style(part).backgroundColor : "rgb(255, 255, 255)"
    }
    const shown = part => part.getClientRects().length && style(part).visibility !== "hidden"
    const holds = part => [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    const texts = [...demo.querySelectorAll("*")].filter(part => shown(part) && holds(part) && !part.matches("style, option"))
    const lists = [...demo.querySelectorAll("select")].filter(shown)
    const tracks = [...demo.querySelectorAll(".noUi-target")].filter(shown)
    const words = [...texts, ...lists].map(part => (
      { what: (part.value ?? part.textContent).trim().slice(0, 40), kind: "text", color: style(part).color, ground: ground(part) }))
    const marks = [
      ...lists.map(part => ["the border of a list", style(part).borderTopColor, part.parentElement]),
      ...tracks.map(part => ["the track of a slider", style(part).backgroundColor, part.parentElement]),
    ].map(([what, color, around]) => ({ what, kind: "mark", color, ground: ground(around) }))
    return { card: style(demo).backgroundColor, parts: [...words, ...marks] }
  },

  // How strongly a failed demo's picture still shows, and the words that it has for that.
  stale() {
    const { demo, picture } = course.log
    let opacity = 1, grey = false
    for (let part = picture; part !== demo; part = part.parentElement) {
      opacity *= Number(getComputedStyle(part).opacity)
      grey ||= getComputedStyle(part).filter.includes("grayscale(1)")
    }
    return { opacity, grey, error: demo.querySelector(".cfgedu-error")?.innerText ?? "" }
  },

  // The last picture shows a control at this number, or no picture has come for a while.
  arrived: (label, number) => Number(course.log.numbers.at(-1)?.[label].replace("\u2212", "-")) === number
    || performance.now() - course.log.told > 5000,

  // Frames of a playing demo come as fast as the kernel answers: nobody watches.
  hurry() {
    const { setTimeout } = window
    window.setTimeout = (then, _, ...rest) => setTimeout(then, 0, ...rest)
    course.calm = () => { window.setTimeout = setTimeout }
  },
}
