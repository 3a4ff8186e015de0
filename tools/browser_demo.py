"""One demo in a page, tried as a person would try it: by keyboard, by hand, with a screen reader, in the dark.

What comes of it is held to tools/browser_checks.py; `step` prints and remembers how each check went.
"""

import contextlib
import statistics

from tools import browser_checks as checks

BUDGET, ON_RELEASE = 100, 450  # milliseconds from a key press to its picture; where sliders wait for their release
PRESSES, HELD = 5, 20  # key presses for each slider (odd: to and fro ends elsewhere), and for a key held down
PLAYING = 120_000  # milliseconds for a demo to play to its end
SMALL = {"width": 1000, "height": 700}  # the smallest window in which every text of a picture is to be read

# What a key can reach, in the order in which it is tried: a choice may be what gives a slider its meaning.
KINDS = {"choice": "select", "tick": "input[type=checkbox]", "slider": "[role=slider]"}
ALL = "select, input, textarea, [role=slider]"


@contextlib.contextmanager
def step(results, name, page=None, folder=None):
    """One check, printed and remembered, with what the block adds to the notes; a failed one leaves a screenshot."""
    notes, problem = [], None
    try:
        yield notes
    except Exception as error:
        problem = str(error).strip().split("\n")[0] or type(error).__name__
        with contextlib.suppress(Exception):  # the page may be gone, or there is none
            page.screenshot(path=folder / f"failed-{len(results)}.png")
    results.append((name, problem))
    detail = f": {problem or ', '.join(notes)}" if problem or notes else ""
    print(f"  {'FAILED' if problem else 'ok':<6}  {name}{detail}", flush=True)


def try_demo(page, demo, title, results, folder, output=None):
    """Every control and button of one demo; returns {control: [milliseconds, ...]}.

    output: the number of the cell that shows it, where what all demos share is tried on it too: how a failed frame
    looks, the size of letters in a small window, the dark theme.
    """
    check = lambda name: step(results, f"{title} {name}", page, folder)
    times = {}
    demo.scroll_into_view_if_needed()
    page.wait_for_function("demo => demo.querySelector('img')?.naturalWidth", arg=demo.element_handle())
    demo.evaluate("demo => course.watch(demo)")
    start = state(page)
    demo.screenshot(path=folder / f"{title}.png")
    with check("has a name for every part"):
        checks.check_names(described(page))
    with check("colours"):
        checks.check_colors(page.evaluate("course.colors()"))
    for kind, selector in KINDS.items():
        for part in demo.locator(selector).all():
            label = part.evaluate("part => course.label(part)")
            with check(f"{kind} {label}") as notes:
                if part.evaluate("part => course.disabled(part)"):
                    enable(page, demo, part)
                times[label] = try_control(page, demo, part, kind)
                notes += [f"{statistics.median(times[label]):.0f} ms"] if times[label] else []
                restore(page, demo, start)
    with check("every control was tried"):
        assert demo.locator(ALL).count() == len(start[0]) > 0, "it has one that this program cannot move, or none"
    with check("a key held down drops pictures") as notes:
        notes.append(try_holding(page, demo.locator(KINDS["slider"]).first))
    demo.screenshot(path=folder / f"{title}-moved.png")
    moved = state(page)
    for button in demo.locator(".cfgedu-places button:not(.cfgedu-play)").all():
        with check(f"place {button.text_content()}"):  # each from the one before: the start may be a place, too
            try_place(page, button, [start[2], moved[2]])
    with check("reset"):
        restore(page, demo, start)
    for pad in demo.locator(".cfgedu-drag").all():
        with check("drags") as notes:
            notes.append(try_dragging(page, pad, start))
            restore(page, demo, start)
    for button in demo.locator(".cfgedu-play").all():
        with check("plays") as notes:
            notes.append(try_playing(page, demo, button))
            restore(page, demo, start)
    with check("nothing jumps"):
        heights = page.evaluate("course.log.heights")
        assert max(heights) - min(heights) <= 1, f"its height went from {min(heights)} to {max(heights)} pixels"
    with check("as code"):
        button = demo.get_by_role("button", name="as code")
        press(page, button, "Enter")
        demo.locator("pre").filter(has_text="still(").wait_for()
        press(page, button, "Enter")
        demo.locator("pre").wait_for(state="hidden")
    with check("shows no error"):
        assert not (error := demo.locator(".cfgedu-error")).count(), error.text_content()
    if output is not None:
        with check("turns grey where a frame fails") as notes:
            notes.append(try_failing(page, demo, output))
            restore(page, demo, start)
        with check(f"letters at {SMALL['width']} x {SMALL['height']}") as notes:
            notes.append(try_small_window(page, demo, output))
        with check("dark theme"):
            try_dark(page, demo, folder / f"{title}-dark.png")
    return times


def press(page, part, key):
    part.focus()
    page.keyboard.press(key)


def at_rest(page):
    """Waits for the sharp picture; returns the digest of its bytes."""
    page.wait_for_function("course.resting()")
    return page.evaluate("course.digest()")


def state(page):
    """What a demo shows at rest: its controls, its picture, its readout."""
    picture = at_rest(page)
    return page.evaluate("course.numbers()"), picture, page.evaluate("course.readout()")


def restore(page, demo, start):
    """The reset button brings the first state back, if it is gone."""
    if page.evaluate("course.numbers()") != start[0]:
        press(page, demo.get_by_role("button", name="reset"), "Enter")
        page.wait_for_function("numbers => JSON.stringify(course.numbers()) === JSON.stringify(numbers)", arg=start[0])
    assert state(page) == start, "reset does not bring the first picture and readout back"


# ---------------------------------------------------------------- by keyboard


def answered(page, *keys):
    """Milliseconds from the last of some key presses to the frame with its picture; "same" where that stayed."""
    page.evaluate("course.listen()")
    for key in keys:
        page.keyboard.press(key)
    return page.wait_for_function("course.answer()").json_value()


def keys_for(part, kind):
    """The keys that move a control by one, away from its end. JupyterLab keeps arrows from a list that is not open."""
    if kind == "tick":
        return ["Space"]
    now, most = part.evaluate("part => course.room(part)")
    if kind == "slider":
        return ["ArrowRight" if now < most else "ArrowLeft"]
    return ["Space", "ArrowDown" if now < most else "ArrowUp", "Enter"]


def enable(page, demo, part):
    """Finds the choice with which a control works."""
    for choice in demo.locator(KINDS["choice"]).all():
        now, most = choice.evaluate("part => course.room(part)")
        for place in {*range(most + 1)} - {now}:
            page.evaluate("course.listen()")
            choice.select_option(index=place)
            page.wait_for_function("course.answer()")
            if not part.evaluate("part => course.disabled(part)"):
                return
    raise AssertionError("no choice makes it work")


def try_control(page, demo, part, kind):
    """Moves one control; returns the milliseconds that each key press took.

    A choice may mean nothing at the start (a baseline at r = 1): it is then tried with the sliders moved.
    """
    picture = at_rest(page)
    answers, numbers = move(page, part, kind)
    if kind == "choice" and at_rest(page) == picture:
        for slider in demo.locator(KINDS["slider"]).all():
            move(page, slider, "slider")
        picture = at_rest(page)
        answers, numbers = move(page, part, kind)
    assert at_rest(page) != picture, "the picture is still the same"
    if kind == "slider":
        checks.check_track(
            *part.evaluate("part => course.track(part)"), abs(checks.value(numbers[1]) - checks.value(numbers[0]))
        )
    return [answer for answer in answers if answer != "same"]


def move(page, part, kind):
    """Moves a control by keys; returns the milliseconds of each, and the control's numbers from first to last."""
    number = lambda: part.evaluate("part => course.number(part)")
    numbers, answers = [number()], []
    part.focus()
    for _ in range(PRESSES if kind == "slider" else 1):
        answers.append(answered(page, *keys_for(part, kind)))
        numbers.append(number())
    assert numbers[-1] != numbers[0], f"its number is still {numbers[0]}"
    return answers, numbers


def try_holding(page, handle):
    """A key held down: fewer pictures come than key presses."""
    before, keys = page.evaluate("course.log.pictures"), keys_for(handle, "slider")
    handle.focus()
    page.evaluate("course.listen()")
    for _ in range(HELD):
        page.keyboard.down(*keys)
    page.keyboard.up(*keys)
    page.wait_for_function("course.log.told < Infinity")
    at_rest(page)
    drawn = page.evaluate("course.log.pictures") - before
    assert drawn < HELD, f"{drawn} for {HELD} key presses"
    return f"{drawn} for {HELD} key presses"


# ---------------------------------------------------------------- by hand


def try_dragging(page, pad, start):
    """The point follows a hand in the picture: sliders, readout and picture change; up and right are more."""
    box = pad.bounding_box()
    place = lambda share: (box["x"] + share * box["width"], box["y"] + (1 - share) * box["height"])
    page.evaluate("course.listen()")
    page.mouse.move(*place(0.3))
    page.mouse.down()
    page.wait_for_function("course.log.told < Infinity")
    here = state(page)
    page.evaluate("course.listen()")
    page.mouse.move(*place(0.5))
    page.mouse.move(*place(0.7), steps=4)
    page.mouse.up()
    page.wait_for_function("course.log.told < Infinity")
    there = state(page)
    sides = 1 if "cfgedu-drag-x" in pad.get_attribute("class") else 2
    return checks.check_dragged(start, here, there, sides)


def try_place(page, button, readouts):
    """A place to go to: other controls and another picture than before, and a readout that is not always the same.

    readouts: that of the start and one from elsewhere, two different ones; a place may have one of them.
    """
    before = state(page)
    page.evaluate("course.listen()")
    button.click()
    page.wait_for_function("course.answer()")
    there = state(page)
    other = next((readout for readout in readouts if readout != there[2]), there[2])
    checks.check_place((*before[:2], other), there)


def try_playing(page, demo, button):
    """Play goes from the first value to the last, and stops there."""
    label = button.get_attribute("aria-label").removeprefix("play ")
    slider = demo.get_by_role("slider", name=label, exact=True)
    ends = [slider.get_attribute(f"aria-value{end}") for end in ("min", "max")]
    page.evaluate("course.log.numbers = []; course.hurry()")
    press(page, button, "Enter")
    try:
        for word in ("pause ", "play "):
            has = f"button => button.ariaLabel.startsWith('{word}')"
            page.wait_for_function(has, arg=button.element_handle(), timeout=PLAYING)
    finally:
        page.evaluate("course.calm()")
    page.wait_for_function("([label, high]) => course.arrived(label, high)", arg=[label, float(ends[1])])
    return checks.check_played([numbers[label] for numbers in page.evaluate("course.log.numbers")], *ends)


# ---------------------------------------------------------------- for eyes and ears


def described(page):
    """What one sees of each part of a demo, and what Chromium tells a screen reader about it."""
    session = page.context.new_cdp_session(page)
    parts = page.evaluate("course.seen()")
    for place, part in enumerate(parts):
        found = session.send("Runtime.evaluate", {"expression": f"course.parts[{place}]"})["result"]["objectId"]
        tree = session.send("Accessibility.getPartialAXTree", {"objectId": found, "fetchRelatives": False})
        node = tree["nodes"][0]
        part["role"] = node["role"]["value"]
        part["name"] = node.get("name", {}).get("value", "")
    session.detach()
    return parts


def try_dark(page, demo, file):
    page.evaluate("course.theme('JupyterLab Dark')")
    page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")
    demo.screenshot(path=file)
    found = page.evaluate("course.colors()")
    page.evaluate("course.theme('JupyterLab Light')")
    page.wait_for_function("document.body.dataset.jpThemeLight === 'true'")
    checks.check_colors(found)


def try_small_window(page, demo, output):
    """The smallest letters of the picture, from their size in the figure and the size at which it is shown."""
    figure = f"_{output}.figure"
    visible = "lambda part: hasattr(part, 'get_fontsize') and part.get_visible() and part.get_text().strip()"
    smallest = f"float(min(part.get_fontsize() for part in {figure}.findobj({visible})))"
    points, inches = (
        page.evaluate("text => course.python(text)", text) for text in (smallest, f"float({figure}.get_figwidth())")
    )
    before = page.viewport_size
    page.set_viewport_size(SMALL)
    page.wait_for_timeout(300)  # until the page is laid out again
    width = demo.locator("img").bounding_box()["width"]
    page.set_viewport_size(before)
    return checks.check_letters(points / 72 * width / inches)


def try_failing(page, demo, output):
    """A frame that fails, because its scene raises here: the old picture turns grey, and the error stands below."""
    broken = f"def broken(**_): raise ArithmeticError('planted')\nkept, _{output}.update = _{output}.update, broken"
    page.evaluate("text => course.python('0', text)", broken)
    handle = demo.locator(KINDS["slider"]).first
    handle.focus()
    page.keyboard.press(*keys_for(handle, "slider"))
    try:
        demo.locator(".cfgedu-error").wait_for()
        found = page.evaluate("course.stale()")
    finally:
        page.evaluate("text => course.python('0', text)", f"_{output}.update = kept\ndel kept, broken")
    answered(page, *keys_for(handle, "slider"))
    demo.locator(".cfgedu-error").wait_for(state="detached")  # it goes after the picture has come
    return checks.check_failed(found, page.evaluate("course.stale()"))
