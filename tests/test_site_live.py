"""The live demos of the web edition in a browser, from a file, as a hand, a keyboard and an address move them."""

import re

import pytest

from tests.site import bare_page
from tools.site_data import LIVE, NEEDS

SEEN = 25  # of 255: a change of a colour that is seen
START = {  # in which every control matters
    "two_attributes": "r_a=3",  # at r_a = r_b = 1 no negative condition does
    "trajectory_player": "sampler=DDIM",  # no other sampler has an eta
    "contested_mode": "method=rescaled, x0",  # plain guidance does not feel that the world is turned
    "mnist_lab": "steps=2",  # a step takes a tenth of a second
    "training": "steps=60",  # at step 0 all networks say the same
}
CHANGES = {"scales": "r=4", "guidance_vector": "r=5&guidance_vector.t=400", "loss_explorer": "label=1"}


@pytest.fixture(scope="module")
def address(tmp_path_factory, scripts):
    return bare_page(tmp_path_factory.mktemp("site"), scripts, LIVE).as_uri()


@pytest.fixture(scope="module")
def new(browser, address):
    """new(hash, width) -> a page with all demos, its `errors` and what it has `asked` for."""

    def new(hash, width):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.errors, page.asked = [], []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address + hash)
        return page

    return new


def fine(page):
    """No script has failed, and nothing been asked for."""
    assert not page.errors
    assert [url for url in page.asked if not url.startswith(("file:", "blob:null/"))] == []  # its workers are blobs


@pytest.fixture
def opened(new):
    """opened(hash, width) -> a page with all demos for one test."""
    pages = []

    def opened(hash="", width=1280):
        pages.append(new(hash, width))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
        fine(page)


@pytest.fixture(scope="module")
def shared(new):
    page = new("", 1280)
    yield page
    page.close()


@pytest.fixture
def page(shared):
    """A page with all demos for many tests."""
    yield shared
    fine(shared)


def live(page, name):
    """The demo, once it is drawn; where it needs large networks, after a press on its button."""
    figure = page.locator(f"figure[data-demo={name}]")
    figure.scroll_into_view_if_needed()
    if name in NEEDS:
        figure.locator(".cfgedu-live, .cfgedu-offer").first.wait_for()
        for offer in figure.locator(".cfgedu-offer button:enabled").all():
            offer.click()
    page.locator(f"figure[data-demo={name}][data-ms]").wait_for()
    told(page, figure)
    return figure


def at_start(page, name):
    """The demo, live, in its start state."""
    figure = live(page, name)
    go(page, figure, name, "")
    return figure


def told(page, figure):
    """The readout, once no frame is waited for, and no network at work."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    figure.locator(".cfgedu-readout[aria-busy=false]").wait_for()
    return figure.locator(".cfgedu-readout").text_content()


def change(figure) -> int:
    """The largest change of a colour, from 0 to 255, since the last call.

    Smoothed, for a browser may draw the rim of a letter otherwise from frame to frame.
    """
    return figure.locator("canvas").evaluate("""(canvas) => {
        const small = document.createElement("canvas");
        [small.width, small.height] = [canvas.width / 4, canvas.height / 4];
        const ctx = small.getContext("2d", { willReadFrequently: true });
        ctx.imageSmoothingQuality = "high";
        ctx.drawImage(canvas, 0, 0, small.width, small.height);
        const now = ctx.getImageData(0, 0, small.width, small.height).data, before = canvas.kept || now;
        canvas.kept = now;
        return now.reduce((most, value, i) => Math.max(most, Math.abs(value - before[i])), 0);
    }""")


def go(page, figure, name, changes):
    """Opens the address of a state, as a link would; the readout then."""
    page.evaluate(
        """(address) => new Promise((done) => {
            addEventListener("hashchange", done, {once: true}); // a busy machine tells of it late
            history.replaceState(null, "", "#");
            location.hash = address;
        })""",
        f"{name}.{changes}",
    )
    return told(page, figure)


@pytest.mark.parametrize("name", LIVE)
def test_reset_brings_the_first_picture_back(page, name):
    """It comes before all tests that move a demo of the page: the first picture is the one with which it opens."""
    figure = live(page, name)
    start = told(page, figure)
    change(figure)
    control = figure.locator("input").first
    control.press("End" if control.evaluate("(c) => c.value !== c.max") else "Home")
    assert told(page, figure) != start
    figure.get_by_role("button", name="reset").press("Enter")
    assert told(page, figure) == start
    assert change(figure) < SEEN


@pytest.mark.parametrize("name", LIVE)
def test_every_control_answers_the_keyboard(page, name):
    figure = live(page, name)
    start = go(page, figure, name, START.get(name, ""))
    change(figure)
    controls = figure.locator("input, select")
    for k in range(controls.count()):
        control = controls.nth(k)
        forward = control.evaluate("(c) => c.max ? c.value !== c.max : c.selectedIndex + 1 < c.options.length")
        control.focus()
        for _ in range(12 if control.get_attribute("type") == "range" else 1):
            page.keyboard.press("ArrowRight" if forward else "ArrowLeft")
        assert told(page, figure) != start, f"{control.get_attribute('id')} leaves the readout"
        assert change(figure) > SEEN, f"{control.get_attribute('id')} leaves the picture"
        assert go(page, figure, name, START.get(name, "")) == start
        assert change(figure) > SEEN, f"{control.get_attribute('id')} does not go back"


@pytest.mark.parametrize("name", ["guidance_vector", "score_explorer", "score_mixer"])
def test_a_hand_drags_the_point(page, name):
    figure = at_start(page, name)
    before, box = told(page, figure), figure.locator(".cfgedu-drag").first.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    page.mouse.up()
    assert told(page, figure) != before
    point = [figure.locator(f"#cfgedu-{name}-{side}").input_value() for side in ("px", "py")]
    assert [float(side) for side in point] == pytest.approx([0.2 * 5.5, 0.3 * 5.5], abs=0.06)
    page.mouse.move(box["x"], box["y"])
    assert [figure.locator(f"#cfgedu-{name}-{side}").input_value() for side in ("px", "py")] == point  # it is let go


def test_a_drag_goes_on_while_the_text_below_grows(page):
    figure = at_start(page, "guidance_vector")
    box = figure.locator(".cfgedu-drag").first.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    figure.locator(".cfgedu-readout").evaluate("(text) => (text.style.minHeight = `${text.clientHeight + 40}px`)")
    told(page, figure)  # two frames: what watches the size has seen it
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.2 * box["height"], steps=5)
    page.mouse.up()
    told(page, figure)
    point = [float(figure.locator(f"#cfgedu-guidance_vector-{side}").input_value()) for side in ("px", "py")]
    assert point == pytest.approx([0.2 * 5.5, 0.3 * 5.5], abs=0.06)


@pytest.mark.parametrize(("name", "changes"), CHANGES.items())
def test_the_address_carries_the_state(opened, name, changes):
    page = opened(f"#{name}.{changes}")
    figure = live(page, name)
    moved = told(page, figure)
    figure.get_by_role("button", name="reset").click()
    assert told(page, figure) != moved
    page.wait_for_function(f"!location.hash.includes('{name}')")
    assert go(page, figure, name, changes) == moved
    assert go(page, figure, name, f"{changes.split('=')[0]}=nonsense") != moved  # what no control allows is left out


def test_the_address_of_a_state_shows_its_demo(browser, address):
    """The pages scroll smoothly, which a page that is not drawn yet does not do."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script("""const far = new CSSStyleSheet();
        far.replaceSync(":root { scroll-behavior: smooth } [data-demo=sampling_lab] { margin-top: 9000px }");
        document.adoptedStyleSheets = [far];""")
    page.goto(f"{address}#sampling_lab.model=network+2")
    page.locator("figure[data-demo=sampling_lab][data-ms]").wait_for(timeout=10_000)
    assert told(page, page.locator("figure[data-demo=sampling_lab]")).startswith("network 2, ")
    page.close()


def test_a_moved_control_is_written_into_the_address_beside_other_demos(opened):
    page = opened("#scales.r=4")
    figure = live(page, "loss_explorer")
    figure.locator("input").press("ArrowRight")
    page.wait_for_function("location.hash === '#scales.r=4&loss_explorer.bucket=6'")


def test_a_link_to_a_heading_leaves_a_demo_as_it_is(page):
    figure = at_start(page, "scales")
    start = told(page, figure)
    figure.locator("input").press("ArrowRight")
    moved = told(page, figure)
    assert moved != start
    page.evaluate("location.hash = 'somewhere'")
    assert told(page, figure) == moved


def test_places_play_and_code(page):
    figure = at_start(page, "score_mixer")
    figure.get_by_role("button", name="far in the noise").click()
    assert told(page, figure).startswith("t = 500 ")
    figure.get_by_role("button", name="as code").press("Enter")
    code = figure.locator("pre").text_content()
    assert code.splitlines()[-1] == "demo.still(t=500, px=0.0, py=1.3)"
    compile(code, "cell", "exec")
    play = figure.get_by_role("button", name="play time t")
    play.click()
    slider = "document.querySelector('#cfgedu-score_mixer-t').value"
    page.wait_for_function(f"{slider} < 200")  # from the beginning, wherever it stood
    page.wait_for_function(f"{slider} > 50")
    figure.get_by_role("button", name="stop").click()
    stopped = told(page, figure)
    page.wait_for_timeout(300)
    assert told(page, figure) == stopped


def test_a_hand_ends_the_playing(page):
    figure = at_start(page, "score_mixer")
    start = told(page, figure)
    figure.get_by_role("button", name="play time t").click()
    figure.get_by_role("button", name="stop").wait_for()
    page.wait_for_function(f"document.querySelector('#cfgedu-score_mixer-readout').textContent !== {start!r}")
    figure.get_by_role("button", name="reset").click()
    figure.get_by_role("button", name="play time t").wait_for()
    page.wait_for_timeout(300)
    assert told(page, figure) == start


def test_a_network_trains_pauses_and_goes_on(page):
    figure = at_start(page, "training")
    press = lambda name: figure.get_by_role("button", name=name, exact=True).press("Enter")
    share = lambda: float(re.search(r"([\d.]+) times the signal", told(page, figure))[1])
    steps = "Number(document.querySelector('#cfgedu-training-steps').value)"
    assert share() == 1  # at first g is 0
    press("train")
    page.wait_for_function(f"{steps} >= 150")
    press("pause")
    assert share() < 0.7
    paused, at = told(page, figure), page.evaluate(steps)
    page.wait_for_timeout(300)
    assert (told(page, figure), page.evaluate(steps)) == (paused, at)
    press("train")
    page.wait_for_function(f"{steps} > {at}")
    assert page.evaluate(steps) < at + 150  # it goes on from there
    go(page, figure, "training", "steps=400&training.p_drop=0.1")
    assert share() < 0.4
    figure.locator("#cfgedu-training-p_drop").press("ArrowRight")
    assert (share(), page.evaluate(steps)) == (1, 0)  # another network begins at its beginning


def test_a_goal_gives_a_hint_and_tells_when_it_is_reached(page):
    figure = at_start(page, "scales")
    figure.get_by_role("button", name="hint").press("Enter")
    verdict = figure.get_by_role("status").last
    assert verdict.text_content() == "98% land in it: lower r."
    go(page, figure, "scales", "r=0.2")
    verdict.filter(has_text="✓").wait_for()
    assert verdict.text_content().startswith("✓ A little of the label is enough")


@pytest.mark.parametrize("width", [390, 320])
def test_nothing_is_wider_than_a_phone(opened, width):
    page = opened(width=width)
    for name in LIVE:
        figure = live(page, name)
        assert figure.locator("canvas").bounding_box()["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [777, 333])
def test_a_picture_has_the_pixels_of_the_screen_before_and_after_a_zoom(opened, width):
    page = opened()
    page.add_style_tag(content=f"figure {{ width: {width}px }}")  # so that a zoom changes nothing but the pixels
    zoom = page.context.new_cdp_session(page)
    for ratio in (1, 1.5, 2):  # a window that stays as it is has fewer CSS pixels
        given = {"width": int(1600 / ratio), "height": 600, "deviceScaleFactor": ratio, "mobile": False}
        zoom.send("Emulation.setDeviceMetricsOverride", given)
        for name in sorted({*LIVE} - {*NEEDS}):
            canvas = live(page, name).locator("canvas")
            seen, drawn = canvas.evaluate("""(canvas) => {
              const { width, height } = canvas.getBoundingClientRect();
              return [[width, height].map((side) => side * devicePixelRatio), [canvas.width, canvas.height]];
            }""")
            assert seen == pytest.approx(drawn, abs=0.1), (name, ratio)


def test_a_demo_without_a_scene_keeps_its_picture(opened):
    page = opened()
    page.evaluate("document.querySelector('figure').insertAdjacentHTML('beforebegin', '<figure class=\"cfgedu-demo\" "
                  "data-demo=\"unknown\"><img alt=\"a picture\"></figure>')")  # fmt: skip
    page.evaluate("dispatchEvent(new Event('DOMContentLoaded'))")
    assert page.locator("figure[data-demo=unknown] > img").count() == 1
    assert page.locator("figure[data-demo=unknown] canvas").count() == 0


def test_a_picture_is_painted_once_by_one_function_and_anew_by_another(page):
    painted = page.evaluate("""() => {
      const canvas = document.createElement("canvas"), ctx = canvas.getContext("2d");
      const [panel] = cfgedu.figure(canvas, [cfgedu.plane()], 300), { left, top, width, height } = panel.box;
      const seen = [];
      const tints = [10, 200].map((tint) => (k, pixel) => {
        seen[seen.length - 1][0] += 1;
        pixel.fill(tint);
      });
      [[3, 0], [3, 0], [4, 0], [4, 1], [4, 0]].forEach(([n, which]) => {
        seen.push([0]);
        panel.image(n, tints[which]);
        seen[seen.length - 1].push(ctx.getImageData(left + width / 2, top + height / 2, 1, 1).data[0]);
      });
      return seen;
    }""")
    assert painted == [[9, 10], [0, 10], [16, 10], [16, 200], [16, 10]]
