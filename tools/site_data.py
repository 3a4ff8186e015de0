"""What the live demos of the web edition need: their scripts in order, and their controls, as the demos have them.

A demo's controls, presets, play button and the panels that a hand moves in are described once, in Python; for the page
`write_scripts` writes them down behind the script of the demo's scene.
"""

import base64
import importlib
import json
from pathlib import Path

from cfgedu.checkpoints import checkpoint_path
from cfgedu.widgets.baselines import SHIPPED
from cfgedu.widgets.dropout import RATES, shipped_name
from cfgedu.widgets.gallery import NETWORKS
from cfgedu.widgets.lab import SHIPPED as LAB
from cfgedu.widgets.live import LiveFigure
from cfgedu.widgets.page import panel
from tools.site_alone import ALONE, Alone

DEMOS = {  # the demos whose scenes are ported and their modules, in the order of the notebooks
    "scales": "scales",
    "noise_explorer": "noise",
    "score_explorer": "score",
    "loss_explorer": "loss_floors",
    "trajectory_player": "trajectories",
    "score_mixer": "mixing",
    "guidance_vector": "guidance_vector",
    "tilted_against_guided": "tilted",
    "dropout_explorer": "dropout",
    "twin_heads": "twin",
    "sampling_lab": "lab",
    "digits_lab": "digits",
    "mnist_lab": "mnist",
    "contested_mode": "contested",
    "baselines": "baselines",
    "two_attributes": "attributes",
    "gallery": "gallery",
}
LIVE = (*DEMOS, *ALONE)  # all that live in pages
NEEDS = {  # the shipped checkpoints that a demo cannot do without
    "dropout_explorer": tuple(map(shipped_name, RATES)),
    "twin_heads": ("twin-late", "twin-leaky"),
    "sampling_lab": tuple(LAB.values()),
    "digits_lab": ("digits-mlp", "digits-judge"),
    "mnist_lab": ("mnist-unet", "mnist-judge"),
    "baselines": tuple(f"branches-{size}" for size in SHIPPED.values()),
    "gallery": (NETWORKS,),
}
LATER = {"mnist_lab": ("mnist-twin-unet",)}  # those that it loads when a control asks for them
STYLE = "demo.css"
WORLD = ("random.js", "world.js", "worlds.js", "sampling.js", "metrics.js", "variants.js", "format.js")
LOADERS = ("safetensors.js", "packed.js")
WORLD += LOADERS
# What computes in the page with small networks: packed into one script, which comes with them.
NETS = ("gemm.js", "layers.js", "judge.js", "nets.js")
WITH_NETS = ("dropout_explorer", "twin_heads", "sampling_lab", "digits_lab", "baselines", "gallery")
# What trains them, and the scenes of the demos that the pages have alone: packed into one script too.
TRAINER = ("trainer.js", *(f"scenes/{name}.js" for name in ALONE))
# What computes beside the page, and what of the world it uses: packed into one script, for a worker.
BESIDE = ("gemm.js", "layers.js", "judge.js", "unet.js", "digits.js", "worker.js")
WORKER = ("random.js", "world.js", "sampling.js", "metrics.js", *BESIDE)
SCENES = ("stage.js", "contour.js", "marks.js", "draw.js", "fields.js", *(f"scenes/{name}.js" for name in LIVE))
SCRIPTS = (*WORLD, *SCENES, "state.js", "mount.js")  # in the order in which a page has to load them
ONLY = {  # scripts that a page loads for these demos alone
    "contour.js": (
        "guidance_vector",
        "tilted_against_guided",
        "dropout_explorer",
        "sampling_lab",
        "contested_mode",
        "baselines",
        "training",
    ),
    "fields.js": ("dropout_explorer", "training"),
    "variants.js": ("contested_mode",),
    **dict.fromkeys(LOADERS, (*NEEDS, *ALONE)),
    # The MNIST lab leaves all computing to its worker.
    **dict.fromkeys(("random.js", "world.js", "worlds.js", "sampling.js", "metrics.js"), (*{*LIVE} - {"mnist_lab"},)),
}
WORDS = "words.js"  # of the pages in another language: what their scripts say
SOURCE = Path(__file__).resolve().parent.parent / "site/js"


def scripts_of(names) -> list[str]:
    """The scripts, in order, that a page with these demos has to load; none where no scene of them is ported."""
    shown = {f"scenes/{name}.js" for name in names if name in LIVE}
    spared = {script for script, users in ONLY.items() if not set(names) & set(users)}
    wanted = [script for script in SCRIPTS if script not in spared]
    return [script for script in wanted if not script.startswith("scenes/") or script in shown] if shown else []


def demo(name: str) -> LiveFigure:
    """The demo of a scene as the page has it: in its own world, with the networks that ship."""
    return getattr(importlib.import_module(f"cfgedu.widgets.{DEMOS[name]}"), f"{name}_demo")()


def control(name: str, widget) -> dict:
    """A control as plain data: a slider's ends and step, or a list's [[text, value], ...]."""
    found = {"name": name, "label": widget.description, "value": widget.value}
    if hasattr(widget, "options"):
        options = [option if isinstance(option, tuple) else (str(option), option) for option in widget.options]
        return found | {"options": [list(option) for option in options]}
    return found | {"min": widget.min, "max": widget.max, "step": widget.step, "float": isinstance(widget.value, float)}


def described(live: LiveFigure) -> dict:
    """A demo as plain data."""
    places = [panel(ax, None, None)["box"] for ax in live.figure.axes]
    hands = [(places.index(part["box"]), part["x"], part["y"]) for part in live.picture.panels]
    return {
        "module": getattr(live.scene, "func", live.scene).__module__,
        "alt": live.alt,
        "size": live.size,
        "start": live.state,
        "controls": [control(name, widget) for name, widget in live.controls.items()],
        "presets": live.presets,
        "play": live.picture.plays or None,
        "drag": [{"panel": k, "x": x and x[0], "y": y and y[0]} for k, x, y in hands],
    }


def alone(one: Alone) -> dict:
    """A demo that the pages have alone as plain data."""
    return {
        "cell": one.cell,
        "alt": one.alt,
        "size": one.size,
        "start": {name: widget.value for name, widget in one.controls.items()},
        "controls": [control(name, widget) for name, widget in one.controls.items()],
        "presets": {},
        "play": {"name": one.play, "label": one.controls[one.play].description, "on": True},
        "drag": [],
    }


def needs(name: str) -> dict[str, int]:
    """The checkpoints that a demo cannot do without, and their sizes in bytes."""
    return {network: checkpoint_path(network).stat().st_size for network in NEEDS.get(name, ())}


def data(name: str) -> str:
    """The line of script that describes a demo."""
    found = alone(ALONE[name]()) if name in ALONE else described(demo(name))
    code = ["nets", "trainer"] if name in ALONE else ["nets"] if name in WITH_NETS else []
    found |= {"needs": needs(name), "code": code}
    return f"cfgedu.demos.{name} = {json.dumps(found, ensure_ascii=False, separators=(',', ':'))};\n"


def lean(script: str) -> str:
    """A script without comments and indentation, half the bytes of the page; in its texts, no // stands by itself."""
    lines = (line.partition(" // ")[0].strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/*", "*")))


def packed(name: str, text: str) -> str:
    """A script that hands a text over under a name, to the function `packed` of packed.js."""
    return f"cfgedu.arrive({json.dumps(name)},{json.dumps(text)});\n"


def write_packed(folder: Path) -> None:
    """The checkpoints that demos need and the worker, each as a script: a page from a folder can load nothing else."""
    joined = lambda scripts: "".join(lean((SOURCE / script).read_text(encoding="utf-8")) for script in scripts)
    for name, scripts in {"nets": NETS, "trainer": TRAINER}.items():  # they run as they arrive
        (folder / f"{name}.js").write_text(joined(scripts) + packed(name, ""), encoding="utf-8")
    texts = {"worker": joined(WORKER)}
    for name in {name for names in (*NEEDS.values(), *LATER.values()) for name in names}:
        texts[name] = base64.b64encode(checkpoint_path(name).read_bytes()).decode()
    for name, text in texts.items():
        (folder / f"{name}.js").write_text(packed(name, text), encoding="utf-8")


def write_scripts(folder: Path) -> None:
    """Everything that live demos need, into a folder: the scripts, lean, with the demos' data; style and networks."""
    for path in [*SOURCE.rglob("*.js"), SOURCE / STYLE]:
        if path.name in (*BESIDE, *NETS, *TRAINER):
            continue
        place = folder / path.relative_to(SOURCE)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        text = "" if path.stem in ALONE else lean(text) if path.suffix == ".js" else text
        place.write_text(text + (data(path.stem) if path.stem in LIVE else ""), encoding="utf-8")
    (folder / "packed").mkdir()
    write_packed(folder / "packed")
