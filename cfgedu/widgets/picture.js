// A demo's picture in the page. It shows PNG bytes under an alt text, and names the controls around it: ipywidgets gives
// a slider no accessible name and reads 1.4999999999999991 out. What a hand does in the picture goes to the kernel as
// {n, state} or {n, preset}, a state in the units of the axes, and the kernel answers n once its picture is sent. The
// next message waits for that answer and the newest one wins: frames are dropped and never queue.

const PACE = 100 // milliseconds that a frame of a playing demo stays at least

function element(tag, look, parent) {
  const made = document.createElement(tag)
  made.className = look
  return parent.appendChild(made)
}

// Sends what is to be shown, one message at a time.
function messenger(model) {
  let sent = Math.random(), answered = sent, next = null, listener = () => {} // a demo shown twice has two that count
  const free = () => answered === sent
  const flush = () => {
    if (!next || !free()) return
    sent += 1
    model.send({ n: sent, ...next })
    next = null
  }
  model.on("msg:custom", message => {
    if (message.answered !== sent) return
    answered = sent
    flush()
    listener()
  })
  const go = message => { next = message; flush() }
  return { go, free, onAnswer: then => { listener = then } }
}

// A panel in which a press or a drag, by mouse, pen or finger, moves the point. x and y: [name, value at the lower end,
// value at the upper end] of a side, or null.
function dragPad({ box, x, y }, frame, send) {
  const pad = element("div", "cfgedu-drag", frame)
  const sides = ["left", "bottom", "width", "height"]
  sides.forEach((side, i) => { pad.style[side] = `${100 * box[i]}%` })
  if (!y) pad.classList.add("cfgedu-drag-x")
  const share = value => Math.min(1, Math.max(0, value))
  const move = event => {
    const place = pad.getBoundingClientRect()
    const at = [[x, (event.clientX - place.left) / place.width], [y, (place.bottom - event.clientY) / place.height]]
    const moved = at.filter(([side]) => side).map(([[name, low, high], u]) => [name, low + share(u) * (high - low)])
    send(Object.fromEntries(moved))
  }
  pad.addEventListener("pointerdown", event => {
    if (event.button) return
    event.preventDefault()
    pad.setPointerCapture(event.pointerId)
    move(event)
  })
  pad.addEventListener("pointermove", event => { if (pad.hasPointerCapture(event.pointerId)) move(event) })
}

// Plays a control from the first of its values to the last, stops there, and begins again from the first.
function player({ name, label, values }, [play, pause], row, wire) {
  const button = element("button", "cfgedu-button cfgedu-play", row)
  let at = 0, timer = null, due = false
  const playing = () => timer !== null
  const [still, moving] = [`▶ ${play}`, `❚❚ ${pause}`].map(sign => { // one on the other: the button keeps its width
    const part = element("span", "", button)
    part.textContent = `${sign} ${label}`
    return part
  })
  const show = () => [still, moving].forEach(part => part.classList.toggle("cfgedu-unseen", (part === moving) !== playing()))
  const name_it = () => button.setAttribute("aria-label", `${playing() ? pause : play} ${label}`)
  const stop = () => { clearTimeout(timer); [timer, due] = [null, false]; show(); name_it() }
  const step = () => {
    wire.go({ state: { [name]: values[at] } })
    at += 1
    due = false
    if (at < values.length) timer = setTimeout(() => { due = true; go_on() }, PACE)
    else { stop(); at = 0 }
  }
  const go_on = () => { if (due && wire.free()) step() }
  wire.onAnswer(go_on)
  button.addEventListener("click", () => {
    if (playing()) return stop()
    step()
    show()
    name_it()
  })
  show()
  name_it()
  return { button, rewind: () => { stop(); at = 0 } }
}

// The controls of a demo get their label as accessible name, and a slider what its readout says as the text of its value.
function nameControls(demo, asNumber) {
  const put = (part, name, text) => { if (part.getAttribute(name) !== text) part.setAttribute(name, text) }
  for (const box of demo.querySelectorAll(".widget-inline-hbox")) {
    const label = box.querySelector(".widget-label")?.textContent.trim()
    const part = box.querySelector("[role=slider], select, input")
    if (!label || !part) continue
    put(part, "aria-label", label)
    const readout = box.querySelector(".widget-readout")
    if (readout) {
      put(readout, "aria-label", `${label}, ${asNumber}`)
      if (part.matches("[role=slider]")) put(part, "aria-valuetext", readout.textContent.trim())
    }
  }
}

function render({ model, el }) {
  el.classList.add("cfgedu-picture")
  const wire = messenger(model), row = element("div", "cfgedu-places", el)
  const frame = element("div", "cfgedu-frame", element("div", "cfgedu-scroll", el))
  const image = element("img", "", frame)
  frame.style.minWidth = `${model.get("least")}px`
  image.alt = model.get("alt")
  const show = () => {
    const old = image.src
    image.src = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }))
    if (old) URL.revokeObjectURL(old)
  }
  model.on("change:value", show)
  show()

  for (const panel of model.get("panels")) dragPad(panel, frame, state => wire.go({ state }))
  const play = model.get("plays").name && player(model.get("plays"), model.get("words"), row, wire)
  for (const name of model.get("presets")) {
    const button = element("button", "cfgedu-button", row)
    button.textContent = name
    button.addEventListener("click", () => wire.go({ preset: name }))
  }
  row.hidden = !row.childElementCount

  let demo = null
  const asNumber = model.get("words")[2]
  const watcher = new MutationObserver(() => nameControls(demo, asNumber))
  const other = event => { // a hand on anything else ends the playing
    if (play && !play.button.contains(event.target) && !["Tab", "Shift"].includes(event.key)) play.rewind()
  }
  const attached = new ResizeObserver(() => { // the first time that it has a size, it is in the page
    if (!(demo = el.closest(".cfgedu-live"))) return
    attached.disconnect()
    nameControls(demo, asNumber)
    const attributeFilter = ["aria-valuetext", "aria-label"]
    watcher.observe(demo, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter })
    for (const kind of ["pointerdown", "keydown"]) demo.addEventListener(kind, other, true)
  })
  attached.observe(el)
  return () => { attached.disconnect(); watcher.disconnect(); play?.rewind(); URL.revokeObjectURL(image.src) }
}

export default { render }
