"""The sampling lab of notebook 10: a guided cloud under any scale, sampler, number of steps and interval, measured."""

from collections.abc import Mapping
from functools import cache

import torch
from matplotlib.collections import LineCollection, PolyCollection
from torch import Tensor, nn

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import guided, null_pair, within
from cfgedu.language import phrase
from cfgedu.metrics import mean_posterior, spread
from cfgedu.plots import GUIDED, UN, color, logit_axis, plane
from cfgedu.protocol import Denoiser, seeded
from cfgedu.samplers import SAMPLERS, Step, sample, trajectory
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

OFFERED = ("DDIM", "DDPM", "Euler-Maruyama")
EXACT = "exact scores"
SHIPPED = {"network 1": "lab-1", "network 2": "lab-2", "network 3": "lab-3"}  # their checkpoints
POINTS, TRACKED, REFERENCE = 300, 10, 200  # dots in the cloud, how many draw their path, points behind the grey curve
SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of the grey curve, and its steps
CURVE_STEPS, PIXELS = 50, 101
WINDOW = 3.4  # of the left-hand picture, wider than elsewhere: strong guidance leaves the data
SPREADS, ACCURACIES = (0.1, 1.6), (0.01, 0.9999)  # of the right-hand picture; what lies beyond is on the edge
MARKS, HEIGHT = (0.02, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999), (0.007, 0.99996)  # of the axis of accuracies
WIDTH = (0.092, 1.74)  # of the axis of spreads: room for all of a dot that is on the edge


def sampling_lab_scene(
    figure,
    networks: Mapping[str, Denoiser] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
):
    """The scene; its state is the model, sampler, scale r, steps, label, and the interval low < t <= high of guidance.

    networks: {name: one network that knows both modes}, beside "exact scores"; unless given, those that ship, and in
    another world none. Left, the cloud over the region that holds all but 1% of the class; points outside it are
    crosses. Right, accuracy on a logit axis against spread: the grey curve runs through r = 0..8 with exact scores, the
    chosen sampler and 50 steps. All random numbers stay while r moves.
    """
    networks = shipped_networks() if ships(networks, mixture, schedule) else networks or {}
    learned = {name: stage.at_home(net) for name, net in networks.items()}
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    models = {EXACT: mixture.denoiser(schedule), **learned}
    x_T = torch.randn(POINTS, 2, generator=seeded(2))
    data, labels = mixture.sample(20_000, seeded(8))
    own = [(data[labels == k], labels[labels == k]) for k in range(mixture.K)]
    supports = [support(mixture, x, k) for k, (x, _) in enumerate(own)]
    at_home = [(spread(mixture, x, y), mean_posterior(mixture, x, y)) for x, y in own]
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.05])
    show_cloud, show_place = cloud_panel(left), curve_panel(right)

    @cache
    def reference(sampler: str, label: int):
        """Spread and accuracy of the grey curve, (len(SCALES),) each."""
        return curve(SAMPLERS[sampler], models[EXACT], mixture, schedule, x_T[:REFERENCE], label)

    @torch.no_grad()
    def update(model: str, sampler: str, r: float, steps: int, label: int, high: int, low: int) -> str:
        y, walk = torch.full((POINTS,), label), []
        model_r = guided(null_pair(models[model]), within(r, low, high))
        for x in trajectory(SAMPLERS[sampler], model_r, schedule, x_T, y, steps, seeded(3)):
            walk.append(x[:TRACKED])
        lowest, outlines = supports[label]
        off = mixture.log_prob(x, y) < lowest
        share, width, hit = float(off.float().mean()), spread(mixture, x, y), mean_posterior(mixture, x, y)
        show_cloud(x, off, label, outlines, torch.stack(walk, 1), f"r = {r:.2f}, off support {share:.1%}")
        show_place(reference(sampler, label), at_home[label], width, hit)
        data_spread, data_accuracy = at_home[label]
        where = phrase("at all t")
        if low > 0 or high < schedule.T:
            where = phrase("for {low} < t <= {high}, 1 elsewhere", low=low, high=high)
        return phrase(
            "{model}, {sampler}, {steps} steps, class {label}, r = {r:.2f} {where}: accuracy {hit:.3f} (data "
            "{data_hit:.3f}), spread {width:.3f} (data {data_width:.3f}), off support {share:.1%} (data 1.0%)",
            model=phrase(model),
            sampler=sampler,
            steps=steps,
            label=label,
            r=r,
            where=where,
            hit=hit,
            data_hit=data_accuracy,
            width=width,
            data_width=data_spread,
            share=share,
        )

    return update


def cloud_panel(ax):
    """The cloud over the support of its class, with some of its paths; what lies outside is crossed."""
    plane(ax, lim=WINDOW).set(xlabel="$x_1$", ylabel="$x_2$")
    region = moving(ax.add_collection(PolyCollection([], linewidths=1, zorder=1)))
    tails = moving(ax.add_collection(LineCollection([], colors=UN, linewidths=0.8, alpha=0.6, zorder=2)))
    inside = stage.line(ax, "o", markersize=3, markeredgewidth=0, alpha=0.6, zorder=3)
    outside = stage.line(ax, "x", color=GUIDED, markersize=5, markeredgewidth=1, zorder=3)
    title = moving(ax.set_title("r = 0, off support 0%"))
    stage.frame(ax)

    def show(x, off, label, outlines, walk, text):
        region.set(verts=outlines, facecolor=(color(label), 0.13), edgecolor=color(label))
        tails.set_segments(walk.numpy())
        inside.set_data(*x[~off].T.numpy())
        inside.set_color(color(label))
        outside.set_data(*x[off].T.numpy())
        title.set_text(text)

    return show


def curve_panel(ax):
    """Accuracy against spread: the grey curve over r, the data as a star, the cloud as a dot."""
    ticks = [0.1, 0.2, 0.4, 0.8, 1.6]
    ax.set(xscale="log", xlim=WIDTH, xticks=ticks, xticklabels=[f"{v:g}" for v in ticks])
    ax.set(xlabel="spread within the islands", ylabel="accuracy: mean p(y | x)", title="accuracy against spread")
    ax.minorticks_off()
    logit_axis(ax, MARKS, HEIGHT)
    curve = stage.line(ax, "o-", color=UN, markersize=3.5, linewidth=1.2, label="exact, r = 0 to 8")
    star = stage.line(ax, "*", color="white", markeredgecolor=GUIDED, markersize=17, label="data", zorder=3)
    here = stage.line(ax, "o", color=GUIDED, markersize=9, label="this cloud", zorder=4)
    ax.legend(loc="lower left")

    def show(reference, at_home, width, hit):
        widths, hits = reference
        curve.set_data(widths, [within_window(p, ACCURACIES) for p in hits])
        star.set_data(*([value] for value in at_home))
        here.set_data([within_window(width, SPREADS)], [within_window(hit, ACCURACIES)])

    return show


def within_window(value: float, window: tuple[float, float]) -> float:
    return min(max(value, window[0]), window[1])


def curve(step: Step, model: Denoiser, mixture: Mixture, schedule: Schedule, x_T: Tensor, label: int):
    """(spread, accuracy) of guided clouds from x_T (n,2) at each of SCALES, two lists."""
    n, y = len(SCALES), torch.full((len(x_T),), label)
    model_r = guided(null_pair(model), torch.tensor(SCALES).repeat_interleave(len(x_T)))
    steps = min(CURVE_STEPS, schedule.T)
    clouds = sample(step, model_r, schedule, x_T.repeat(n, 1), y.repeat(n), steps, seeded(3)).chunk(n)
    return [[measure(mixture, x, y) for x in clouds] for measure in (spread, mean_posterior)]


def support(mixture: Mixture, x: Tensor, label: int) -> tuple[float, list]:
    """The log-density that 99% of the data x (N,2) of a class exceed, and the outlines of the region above it."""
    return stage.support(mixture, x, label, [(-WINDOW, WINDOW)] * 2, PIXELS)


def ships(networks: Mapping[str, Denoiser] | None, mixture: Mixture | None, schedule: Schedule | None) -> bool:
    """Whether the networks that ship are meant: none are given, nor another world, which they would not know."""
    return networks is None and mixture is None and schedule is None


def shipped_networks() -> dict[str, nn.Module]:
    """{name: network}, the three of notebook 10, trained as it trains its own."""
    return {name: load_checkpoint(file)[0] for name, file in SHIPPED.items()}


def sampling_lab_demo(
    networks: Mapping[str, Denoiser] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
) -> LiveFigure:
    """The demo: exact scores beside networks {name: Denoiser}, those that ship unless given; {} leaves them out."""
    scene = bound(sampling_lab_scene, networks=networks, mixture=mixture, schedule=schedule)
    names = SHIPPED if ships(networks, mixture, schedule) else networks or {}
    T = (schedule or linear()).T
    controls = {
        "model": choice("model", [EXACT, *names], EXACT),
        "sampler": choice("sampler", OFFERED, "DDIM"),
        "label": choice("class y", range((mixture or islands()).K), 0),
        "r": slider("scale r", -2, 8, 3.0, 0.25),
        "steps": int_slider("steps", 5, min(60, T), min(30, T)),
        "high": int_slider("guide from t", 0, T, T, max(T // 20, 1)),
        "low": int_slider("down to t", 0, T, 0, max(T // 20, 1)),
    }
    alt = "A guided cloud over the support of its class with some of its paths, and its accuracy against its spread"
    strong = {"label": min(2, (mixture or islands()).K - 1), "r": 8.0}
    presets = {}
    for name in list(names)[:1]:
        told = phrase(name)
        presets[phrase("{name} at r = 8", name=told)] = {"model": name, **strong}
        presets[phrase("{name}, from 600", name=told)] = {"model": name, "high": 600, **strong}
        presets[phrase("{name}, down to 200", name=told)] = {"model": name, "low": 200, **strong}
    presets |= {
        phrase("8 steps, {sampler}", sampler=sampler): {"sampler": sampler, "steps": 8, **strong} for sampler in OFFERED
    }
    presets = {} if schedule else presets
    return LiveFigure(scene, controls, size=(9.4, 4.6), alt=alt, presets=presets, play="r")
