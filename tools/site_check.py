"""`course.py browser --site [PAGE ...]`: the web edition in build/site/, looked at in headless Chromium.

Every page is opened from its folder and from a server on this machine, with every other host out of reach: light on a
wide screen and dark on a phone; those in another language dark on a phone alone, for all share everything but words.
Nothing may be asked for outside, fail to load, or show an error; nothing may stick out of a phone's screen; every
picture must load; axe-core may find nothing serious; the search must find what it is asked for. build/site-shots/ then
holds pictures of some pages. Words choose pages: `06` those that have it in their name.
"""

import argparse
import contextlib
import importlib.util
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from tools import browser, translation
from tools.play import server_on

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build/site"
SHOTS = ROOT / "build/site-shots"
SHOWN = ("index", "gallery", "docs/questions", "notebooks/00_start_here", "notebooks/06_guidance_vector")
SHOWN += ("notebooks/12_mnist", "notebooks/solutions/06_guidance_vector")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
LOOKS = {"wide-light": (WIDE, "light"), "phone-dark": (PHONE, "dark")}
# What the search is asked for in English, and a page that it leads to.
SEARCHES = {"guidance vector": "06_guidance_vector", "autoguidance": "14_other_baselines", "tweedie": "02_score"}
NETWORKS = {"notebooks/12_mnist": ("mnist_lab", "class 3, r = 2.0, 8 steps: the judge agrees on ")}  # once loaded
WAIT = 20_000  # milliseconds for a page, for an answer of the search, and for a demo's networks

EVERYTHING_LOADS = """async () => {
  const pictures = [...document.images];
  for (const picture of pictures) picture.loading = "eager";
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
  return pictures.filter((picture) => !picture.naturalWidth).map((picture) => picture.src);
}"""
STICKS_OUT = """() => document.documentElement.scrollWidth > innerWidth
  ? [`the page is ${document.documentElement.scrollWidth} pixels wide on a screen of ${innerWidth}`] : []"""
RUN_AXE = """async () => (await axe.run({exclude: [".katex"]}, {preload: false, resultTypes: ["violations"]}))
  .violations.filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => `axe: ${found.id} (${found.impact}), ${found.nodes.length} x, at ${found.nodes[0].target}`)"""


def axe():
    """The script of axe-core."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None:
        raise SystemExit("axe-core is missing: `python3 course.py browser` installs it.")
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def pages(words=(), site=SITE):
    """The pages of the site, as names without .html; those that have one of the words in their name."""
    names = [path.relative_to(site).with_suffix("").as_posix() for path in sorted(site.rglob("*.html"))]
    if not names:
        raise SystemExit("There is no site in build/site: `python3 course.py site` builds it.")
    names = [name for name in names if not words or any(word in name for word in words)]
    if not names:
        raise SystemExit(f"No page has {' or '.join(words)} in its name.")
    return names


@contextlib.contextmanager
def served(site=SITE):
    """The site on a free port of this machine; gives its address."""
    with server_on(0, site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def watched(context, home):
    """A page whose troubles go into the list that comes with it: what it asks for outside, misses or reports."""
    troubles = []

    def route(route):
        address = route.request.url
        if address.startswith((home, "data:", "blob:")):
            route.continue_()
        else:
            troubles.append(f"asks for {address}")
            route.abort()

    context.route("**/*", route)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("console", lambda line: troubles.append(f"console: {line.text}") if line.type == "error" else None)
    page.on("requestfailed", lambda request: troubles.append(f"did not get {request.url}"))
    page.on("response", lambda answer: troubles.append(f"{answer.status} for {answer.url}") if not answer.ok else None)
    return page, troubles


def looked_at(program, home, names, look, script):
    """[(page, trouble)] of the pages, each opened once with this look."""
    viewport, scheme = LOOKS[look]
    print(f"{look}: {len(names)} pages, {home.split(':')[0]}", flush=True)
    context = program.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
    page, troubles = watched(context, home)
    found = []
    for name in names:
        page.goto(f"{home}/{quote(name)}.html", wait_until="load")
        troubles += [f"does not show {address}" for address in page.evaluate(EVERYTHING_LOADS)]
        troubles += page.evaluate(STICKS_OUT)
        if script:
            page.evaluate(script)
            troubles += page.evaluate(RUN_AXE)
        found += [(name, trouble) for trouble in troubles]
        troubles.clear()
    context.close()
    return found


def searches(language, store=translation.STORE):
    """{words: page} of another language, from translations/ko/searches; none where there is no such file.

    Each of its lines is a page and the words that lead to it.
    """
    file = store / language / "searches"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {words: page for page, words in (line.split(maxsplit=1) for line in lines)}


def searched(program, home):
    """[(page, trouble)]: what the search does not find, or what goes wrong while it looks."""
    context = program.new_context(viewport=WIDE)
    page, troubles = watched(context, home)
    asked = {"": SEARCHES} | {f"{language}/": searches(language) for language in translation.languages()}
    there = {folder: asked[folder] for folder in asked if (SITE / folder / "search.html").exists()}
    for folder, words, wanted in [(folder, *one) for folder, asked in there.items() for one in asked.items()]:
        page.goto(f"{home}/{folder}search.html?q={quote(words)}")
        page.wait_for_selector("#search-results li a")
        page.wait_for_load_state("networkidle")  # excerpts come later, from a server
        links = page.eval_on_selector_all("#search-results li a", "links => links.map((link) => link.href)")
        if not any(wanted in urlsplit(link).path for link in links):
            troubles.append(f"{words!r} does not lead to {wanted}")
    context.close()
    return [("search", trouble) for trouble in troubles]


def networks_at_work(program, home, names):
    """[(page, trouble)] of the demos that load large networks when somebody asks: asks, and waits for what they say."""
    context, found = program.new_context(viewport=WIDE), []
    for name, (demo, words) in NETWORKS.items():
        if name not in names:
            continue
        page, troubles = watched(context, home)
        page.goto(f"{home}/{name}.html", wait_until="load")
        figure = page.locator(f"figure[data-demo={demo}]")
        figure.scroll_into_view_if_needed()
        figure.locator(".cfgedu-offer button").click()
        figure.locator(".cfgedu-readout[aria-busy=false]").wait_for()
        told = figure.locator(".cfgedu-readout").text_content()
        troubles += [] if told.startswith(words) else [f"{demo} says {told!r}"]
        found += [(name, trouble) for trouble in troubles]
    context.close()
    return found


def shots(program, home, names, folder=SHOTS):
    """Pictures of the pages: the first screens, wide and on a phone, light and dark."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for scheme in ("light", "dark"):
        for width, viewport in {"wide": WIDE, "phone": PHONE}.items():
            context = program.new_context(viewport=viewport, color_scheme=scheme)
            page, _ = watched(context, home)
            for name in names:
                page.goto(f"{home}/{name}.html", wait_until="load")
                page.evaluate(EVERYTHING_LOADS)
                page.screenshot(path=folder / f"{name.replace('/', '-')}-{width}-{scheme}.png")
            context.close()


def main(words=None):
    parser = argparse.ArgumentParser(prog="course.py browser --site", description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="PAGE", help="pages with this in their name (default: all)")
    parser.add_argument("--chromium", metavar="PATH", help="the browser to use")
    options = parser.parse_args(words)
    names, script = pages(options.words), axe()
    executable = browser.find_browser(options.chromium)
    from playwright.sync_api import sync_playwright

    def done(job):
        """What a job finds, in a browser of its own."""
        with sync_playwright() as playwright:
            program = playwright.chromium.launch(executable_path=executable, args=browser.QUIET)
            found = job(program)
            program.close()
        return found or []

    others = tuple(f"{language}/" for language in translation.languages())
    english = [name for name in names if not name.startswith(others)]  # what others share is looked at once
    translated = [name for name in names if name.startswith(others)]
    folder = SITE.as_uri()
    with served() as address, ThreadPoolExecutor(2) as two:  # a page is the work of one core
        jobs = [
            partial(looked_at, home=folder, names=english, look="wide-light", script=script),
            partial(looked_at, home=folder, names=english, look="phone-dark", script=script),
            partial(looked_at, home=folder, names=translated, look="phone-dark", script=script),
            partial(looked_at, home=address, names=english, look="wide-light", script=None),
            *(partial(searched, home=home) for home in (folder, address)),
            *(partial(networks_at_work, home=home, names=names) for home in (folder, address)),
            partial(shots, home=address, names=[name for name in SHOWN if name in names]),
        ]
        found = [bad for some in two.map(done, jobs) for bad in some]
    for name, trouble in dict.fromkeys(found):
        print(f"{name}: {trouble}", file=sys.stderr)
    if found:
        sys.exit(f"{len({name for name, _ in found})} of {len(names)} pages are not as they should be.")
    print(f"{len(names)} pages, from the folder and from a server, wide and on a phone: as they should be.")


if __name__ == "__main__":
    main()
