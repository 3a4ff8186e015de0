"""Baselines: a cloud of thin branches under guidance, with another model in the place of the unconditional one."""

from collections.abc import Mapping
from functools import cache

import torch
from matplotlib.collections import PolyCollection

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import guided, null_pair, two_models
from cfgedu.language import phrase
from cfgedu.metrics import lost_share
from cfgedu.plots import GUIDED, UN, color
from cfgedu.protocol import Denoiser, Pair, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import Schedule, even_angles, linear
from cfgedu.toy import Mixture, branches
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, moving, slider

NO_LABEL, RANDOM = "no label (CFG)", "a random label"
EXACT = "exact scores"
SHIPPED = {"the strong network": "strong", "a weaker one": "weak", "one too weak": "too-weak"}
LABEL, POINTS, STEPS = 1, 600, 24
MARGIN, PIXELS = 0.35, 161  # of the left-hand picture
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)  # of the grey curve


def baselines_scene(
    figure,
    networks: Mapping[str, Denoiser] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
):
    """The scene; its state is the model that is guided, its baseline, and the scale r.

    networks: {name: network}, those that ship unless given; the first one is guided, or exact scores are, and the
    others are baselines, as are the model itself without a label and with a random one. Left, the cloud of class 1 over
    the region that holds all but 1% of it; points outside are crosses. Right, how much strays against how much of the
    class is lost: the grey curve runs through r = 1..5. All clouds start from the same points.
    """
    mixture, schedule = (mixture or branches()).to("cpu"), schedule or linear()
    networks = networks or {name: load_checkpoint(f"branches-{size}")[0] for name, size in SHIPPED.items()}
    networks = {name: stage.at_home(net) for name, net in networks.items()}
    guided_ones = {next(iter(networks)): next(iter(networks.values())), EXACT: mixture.denoiser(schedule)}
    x_T, y = torch.randn(POINTS, 2, generator=seeded(7)), torch.full((POINTS,), LABEL)
    data, labels = mixture.sample(20_000, seeded(8))
    own = data[labels == LABEL]
    window = list(zip((own.amin(0) - MARGIN).tolist(), (own.amax(0) + MARGIN).tolist()))  # across, up
    lowest, outlines = stage.support(mixture, own, LABEL, window, PIXELS)
    times = even_angles(schedule, STEPS)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.05])
    show_cloud, show_place = cloud_panel(left, outlines, window), place_panel(right)

    def measure(x):
        off = mixture.log_prob(x, y) < lowest
        return off, float(off.float().mean()), lost_share(mixture, x, y)

    def pair(model: str, baseline: str) -> Pair:
        net = guided_ones[model]
        if baseline == NO_LABEL:
            return null_pair(net)
        return two_models(random_label(net, mixture.K) if baseline == RANDOM else networks[baseline], net)

    @cache
    def curve(model: str, baseline: str):
        """(lost, off) of the grey curve, (len(SCALES),) each."""
        n, scales = len(SCALES), torch.tensor(SCALES).repeat_interleave(POINTS)
        model_r = guided(pair(model, baseline), scales)
        clouds = sample(ddim_step, model_r, schedule, x_T.repeat(n, 1), y.repeat(n), times).chunk(n)
        found = [measure(x) for x in clouds]
        return [lost for _, _, lost in found], [share for _, share, _ in found]

    def update(model: str, baseline: str, r: float) -> str:
        x = sample(ddim_step, guided(pair(model, baseline), r), schedule, x_T, y, times)
        off, share, lost = measure(x)
        show_cloud(x, off, f"r = {r:.2f}: strays {share:.1%}, lost {lost:.1%}")
        show_place(curve(model, baseline), lost, share)
        return phrase(
            "{model}, baseline: {baseline}, r = {r:.2f}: {share:.1%} stray off the data (data 1.0%), {lost:.1%} of the "
            "class is lost; {points} points of class {label}, DDIM, {steps} steps",
            model=phrase(model),
            baseline=phrase(baseline),
            r=r,
            share=share,
            lost=lost,
            points=POINTS,
            label=LABEL,
            steps=STEPS,
        )

    return update


def random_label(model: Denoiser, K: int) -> Denoiser:
    """The model asked with labels drawn anew for each row and call, the same ones for every state of the scene."""
    generator = seeded(5)

    def asked(x, t, y):
        return model(x, t, torch.randint(K, y.shape, generator=generator))

    return asked


def cloud_panel(ax, outlines, window):
    """The cloud over the support of its class; what lies outside is crossed."""
    ax.set(xlim=window[0], ylim=window[1], aspect="equal")
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    ax.add_collection(PolyCollection(outlines, facecolor=(color(LABEL), 0.13), edgecolor=color(LABEL), zorder=1))
    inside = stage.line(ax, "o", color=color(LABEL), markersize=3, markeredgewidth=0, alpha=0.6, zorder=3)
    outside = stage.line(ax, "x", color=GUIDED, markersize=5, markeredgewidth=1, zorder=3)
    title = moving(ax.set_title("r = 1.00: strays 10.0%, lost 10.0%"))
    stage.frame(ax)

    def show(x, off, text):
        inside.set_data(*x[~off].T.numpy())
        outside.set_data(*x[off].T.numpy())
        title.set_text(text)

    return show


def place_panel(ax):
    """Strays against lost branches: the grey curve over r, the cloud as a dot."""
    ax.set(
        xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="share of the class that is lost", ylabel="share off the data"
    )
    ax.set_title("strays against lost branches")
    curve = stage.line(ax, "o-", color=UN, markersize=4, linewidth=1.2, label="r = 1, 1.5, 2, 3, 4, 5")
    first = stage.line(ax, "s", color="white", markeredgecolor=UN, markersize=8, label="r = 1", zorder=3)
    here = stage.line(ax, "o", color=GUIDED, markersize=9, label="this cloud", zorder=4)
    ax.legend(loc="upper right")

    def show(along, lost, share):
        curve.set_data(*along)
        first.set_data(*([values[0]] for values in along))
        here.set_data([lost], [share])

    return show


def baselines_demo(
    networks: Mapping[str, Denoiser] | None = None, mixture: Mixture | None = None, schedule: Schedule | None = None
) -> LiveFigure:
    """The demo: networks {name: network}, the strong one first, or those that ship; of branches unless another
    mixture is given.
    """
    scene = bound(baselines_scene, networks=networks, mixture=mixture, schedule=schedule)
    first, *others = networks or SHIPPED
    controls = {
        "model": choice("guided", [first, EXACT], first),
        "baseline": choice("baseline", [NO_LABEL, *others, RANDOM], others[0]),
        "r": slider("scale r", 0, 5, 2.0, 0.25),
    }
    alt = "A guided cloud of thin branches with what strays crossed, and strays against lost branches as r grows"
    presets = {
        "weaker network": {"baseline": others[0]},
        "CFG": {"baseline": NO_LABEL},
        "exact scores, CFG": {"model": EXACT, "baseline": NO_LABEL},
        "random label": {"baseline": RANDOM},
    }
    return LiveFigure(scene, controls, size=(9.4, 4.6), alt=alt, presets=presets, play="r")
