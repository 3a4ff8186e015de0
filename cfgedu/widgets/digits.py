"""The digits lab of notebook 11: ten digits of one class from ten noises, and what a judge takes them for."""

from functools import lru_cache

import torch
from matplotlib.patches import Rectangle

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import clip_x0, guided_by
from cfgedu.language import phrase
from cfgedu.metrics import diversity, features
from cfgedu.models import Judge, TwinUNet
from cfgedu.plots import CLASSES, UN, enlarged, images, tiles
from cfgedu.protocol import Denoiser, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import Schedule, linear
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

COUNT, COLUMNS = 10, 5
WRONG, ASKED = CLASSES[1], CLASSES[0]


def digits_lab_scene(
    figure,
    net: Denoiser | None = None,
    judge: Judge | None = None,
    schedule: Schedule | None = None,
    size: int = 8,
    twin: TwinUNet | None = None,
):
    """The scene; its state is the label asked for, the scale r, the DDIM steps, the seed of the noise, and clip.

    net is one network that knows both modes; judge classifies images (N,1,size,size). With a twin, the state has one
    part more: the network, which is "one" (net) or "twin". A network and a judge of 8x8 digits ship with the course.
    """
    net, judge = net or load_checkpoint("digits-mlp")[0], judge or load_checkpoint("digits-judge")[0]
    schedule = schedule or linear()
    device = next((p.device for p in getattr(net, "parameters", list)()), "cpu")
    networks = {"one": net, "twin": twin}
    left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
    show_digits, bars = sheet_panel(left, size), bars_panel(right, judge.K)

    @lru_cache(maxsize=64)
    def draw(label: int, r: float, steps: int, seed: int, clip: bool, network: str):
        """Ten digits (N,1,H,W), the judge's features (N,F) of them and its probabilities (N,K)."""
        x_T = torch.randn(COUNT, 1, size, size, generator=seeded(seed))
        model = guided_by(networks[network], r)
        model = clip_x0(model, schedule) if clip else model
        y = torch.full((COUNT,), label, device=device)
        x = sample(ddim_step, model, schedule, x_T.to(device), y, steps).cpu()
        seen = features(judge, x)
        with torch.no_grad():
            return x, seen.cpu(), judge.head(seen).softmax(1).cpu()

    def update(label: int, r: float, steps: int, seed: int, clip: bool, network: str) -> str:
        x, seen, p = draw(label, r, steps, seed, clip, network)
        guess = p.argmax(1).tolist()
        show_digits(x, guess, label, f"you asked for {label}, r = {r:.1f}")
        stage.set_heights(bars, p.mean(0))
        for k, bar in enumerate(bars):
            bar.set_color(ASKED if k == label else UN)
        y = torch.full((COUNT,), label)
        spread, at_one = (diversity(f, y) for f in (seen, draw(label, 1.0, steps, seed, clip, network)[1]))
        return phrase(
            "class {label}, r = {r:.1f}, {steps} steps: the judge agrees on {right} of {count}; diversity {spread:.1f} "
            "(at r = 1: {at_one:.1f}); largest |pixel| {largest:.1f}",
            label=label,
            r=r,
            steps=steps,
            right=guess.count(label),
            count=COUNT,
            spread=spread,
            at_one=at_one,
            largest=float(x.abs().max()),
        )

    def alone(label: int, r: float, steps: int, seed: int, clip: bool) -> str:
        return update(label, r, steps, seed, clip, "one")

    return update if twin else alone


def smooth(size: int) -> int:
    """How much larger the eye gets an image: 8x8 pixels are strokes only with smooth values between them."""
    return 6 if size == 8 else 1


def sheet_panel(ax, size):
    """The digits on one sheet; those that the judge takes for another class are framed, with its guess."""
    factor = smooth(size)
    side, gap = size * factor, factor
    images(ax, torch.zeros(COUNT, 1, side, side), COLUMNS, gap=gap)
    picture = moving(ax.images[0])
    note = moving(ax.set_xlabel("in orange: the other digit that the judge sees"))
    corners = [(i % COLUMNS * (side + gap) - 0.5, i // COLUMNS * (side + gap) - 0.5) for i in range(COUNT)]
    frame = {"fill": False, "edgecolor": stage.ink(WRONG), "linewidth": 3, "clip_on": False, "animated": True}
    frames = [ax.add_patch(Rectangle(corner, side, side, **frame)) for corner in corners]
    tab = {"facecolor": stage.ink(WRONG), "edgecolor": "none", "pad": 2}
    look = {"color": "white", "va": "top", "bbox": tab, "animated": True}
    guesses = [ax.text(*corner, "", **look) for corner in corners]
    title = moving(ax.set_title("you asked for 0"))

    def show(x, guess, label, words):
        picture.set_data(tiles(enlarged(x, factor), COLUMNS, gap).numpy())
        note.set_alpha(float(any(k != label for k in guess)))  # unseen, it keeps its room in the layout
        for rectangle, text, k in zip(frames, guesses, guess, strict=True):
            rectangle.set_visible(k != label)
            text.set(text=k, visible=k != label)
        title.set_text(words)

    return show


def bars_panel(ax, K):
    """A bar for the judge's mean probability of each class; returns the bars."""
    bars = moving(*ax.bar(range(K), [0] * K, color=UN, zorder=2))
    ax.set(xticks=range(K), ylim=(0, 1.02), xlabel="digit", ylabel="mean probability")
    ax.set_title("what the judge sees (blue: asked for)")
    return bars


ALT = "Ten generated digits of the chosen class, and the mean probability that a judge gives to each class"
SIZE = (9.6, 3.3)
PRESETS = {
    "r = 0": {"r": 0.0},
    "r = 1": {"r": 1.0},
    "r = 8": {"r": 8.0},
    "r = 8, clipped": {"r": 8.0, "clip": True},
    "two steps": {"steps": 2},
}


def lab_controls(K: int, steps: int, **look) -> dict:
    """The controls of a lab that begins with so many DDIM steps; `look` is for its sliders."""
    return {
        "label": choice("class y", range(K), 3),
        "r": slider("scale r", 0, 8, 2.0, **look),
        "steps": int_slider("steps", 2, 50, steps, **look),
        "seed": int_slider("noise seed", 0, 20, 0, **look),
        "clip": choice("clip x0", [("no", False), ("yes", True)], False),
    }


def digits_lab_demo(
    net: Denoiser | None = None, judge: Judge | None = None, schedule: Schedule | None = None
) -> LiveFigure:
    """The demo, for 8x8 digits, of the network and the judge that ship unless others are given."""
    scene = bound(digits_lab_scene, net=net, judge=judge, schedule=schedule)
    controls = lab_controls(judge.K if judge else 10, steps=10)
    return LiveFigure(scene, controls, size=SIZE, alt=ALT, presets=PRESETS, play="r")
