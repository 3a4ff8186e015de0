"""The sampling lab of notebook 10: a guided cloud under any scale, sampler, number of steps and interval, measured."""

from collections.abc import Mapping
from functools import cache

import torch
from contourpy import contour_generator
from matplotlib.collections import LineCollection, PolyCollection
from torch import Tensor

from cfgedu.guidance import guided, null_pair, within
from cfgedu.metrics import mean_posterior, spread
from cfgedu.plots import GUIDED, UN, color, grid, plane
from cfgedu.protocol import Denoiser
from cfgedu.samplers import SAMPLERS, sample, trajectory
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

STEPS = {name: SAMPLERS[name] for name in ("DDIM", "DDPM", "Euler-Maruyama")}
EXACT = "exact scores"
POINTS, TRACKED, REFERENCE = 400, 10, 200  # dots in the cloud, how many draw their path, points behind the grey curve
SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of the grey curve, and its steps
CURVE_STEPS, PIXELS, QUANTILE = 50, 101, 0.01
WINDOW = 3.4  # of the left-hand picture, wider than elsewhere: strong guidance leaves the data
SPREADS, ACCURACIES = (0.1, 1.6), (0.0, 1.05)  # the window of the right-hand picture
SIZE = (9.4, 4.6)
START = {"model": EXACT, "sampler": "DDIM", "r": 3.0, "steps": 30, "label": 0, "high": 1000, "low": 0}


def sampling_lab(
    figure,
    networks: Mapping[str, Denoiser] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
):
    """The scene; its state is the model, sampler, scale r, steps, label, and the interval low < t <= high of guidance.

    networks: {name: one network that knows both modes}; "exact scores" is always there. Left, the cloud over the region
    that holds all but 1% of the class; points outside it are crosses. Right, accuracy against spread: the grey curve
    runs through r = 0..8 with exact scores, the chosen sampler and 50 steps. All random numbers stay while r moves.
    """
    mixture, schedule = mixture or islands(), schedule or linear()
    models = {EXACT: mixture.denoiser(schedule), **(networks or {})}
    x_T = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(2))
    data, labels = mixture.sample(20_000, torch.Generator().manual_seed(8))
    supports = [support(mixture, data[labels == k], k) for k in range(mixture.K)]
    at_home = [(spread(mixture, x, y), mean_posterior(mixture, x, y)) for x, y in own_classes(mixture, data, labels)]

    left, right = figure.subplots(1, 2, width_ratios=[1, 1.05])
    plane(left, lim=WINDOW).set(xlabel="$x_1$", ylabel="$x_2$")
    region = moving(left.add_collection(PolyCollection([], linewidths=1, zorder=1)))
    tails = moving(left.add_collection(LineCollection([], colors=UN, linewidths=0.8, alpha=0.6, zorder=2)))
    dot = {"linestyle": "", "markersize": 3, "zorder": 3}
    inside = moving(left.plot([], [], marker="o", markeredgewidth=0, alpha=0.6, **dot)[0])
    outside = moving(left.plot([], [], marker="x", color=GUIDED, markeredgewidth=1, **dot | {"markersize": 5})[0])
    title = moving(left.set_title("r = 0, off support 0%"))
    ticks = [0.1, 0.2, 0.4, 0.8, 1.6]
    right.set(xscale="log", xlim=SPREADS, ylim=ACCURACIES, xticks=ticks, xticklabels=[f"{v:g}" for v in ticks])
    right.set(xlabel="spread within the islands", ylabel="accuracy: mean p(y | x)", title="accuracy against spread")
    right.minorticks_off()
    curve = moving(right.plot([], [], "o-", color=UN, markersize=3.5, linewidth=1.2, label="exact, r = 0 to 8")[0])
    star = {"color": "white", "markeredgecolor": GUIDED, "markersize": 17, "label": "data", "zorder": 3}
    star = moving(right.plot([], [], "*", **star)[0])
    here = moving(right.plot([], [], "o", color=GUIDED, markersize=9, label="this cloud", zorder=4)[0])
    right.legend(loc="lower left")
    moving(*left.spines.values())

    @cache
    def reference(sampler: str, label: int):
        """Spread and accuracy of the grey curve, (len(SCALES),) each."""
        r, y = torch.tensor(SCALES).repeat_interleave(REFERENCE), torch.full((REFERENCE,), label)
        model, noise = guided(null_pair(models[EXACT]), r), torch.Generator().manual_seed(3)
        start, labels = x_T[:REFERENCE].repeat(len(SCALES), 1), y.repeat(len(SCALES))
        x = sample(STEPS[sampler], model, schedule, start, labels, min(CURVE_STEPS, schedule.T), noise)
        clouds = x.chunk(len(SCALES))
        return [spread(mixture, cloud, y) for cloud in clouds], [mean_posterior(mixture, cloud, y) for cloud in clouds]

    @torch.no_grad()
    def update(model: str, sampler: str, r: float, steps: int, label: int, high: int, low: int) -> str:
        y, noise = torch.full((POINTS,), label), torch.Generator().manual_seed(3)
        model_r = guided(null_pair(models[model]), within(r, low, high))
        walk = []
        for x in trajectory(STEPS[sampler], model_r, schedule, x_T, y, steps, noise):
            walk.append(x[:TRACKED])
        lowest, outlines = supports[label]
        off = mixture.log_prob(x, y) < lowest
        share, width, hit = float(off.float().mean()), spread(mixture, x, y), mean_posterior(mixture, x, y)
        region.set(verts=outlines, facecolor=(color(label), 0.13), edgecolor=color(label))
        tails.set_segments(torch.stack(walk, 1).numpy())
        inside.set_data(*x[~off].T.numpy())
        inside.set_color(color(label))
        outside.set_data(*x[off].T.numpy())
        title.set_text(f"r = {r:.2f}, off support {share:.1%}")
        curve.set_data(*reference(sampler, label))
        star.set_data(*([value] for value in at_home[label]))
        here.set_data([min(max(width, SPREADS[0]), SPREADS[1])], [hit])
        data_spread, data_accuracy = at_home[label]
        where = "at all t" if low == 0 and high >= schedule.T else f"for {low} < t <= {high}, 1 elsewhere"
        return (
            f"{model}, {sampler}, {steps} steps, class {label}, r = {r:.2f} {where}: accuracy {hit:.3f} (data "
            f"{data_accuracy:.3f}), spread {width:.3f} (data {data_spread:.3f}), off support {share:.1%} (data 1.0%)"
        )

    return update


def own_classes(mixture: Mixture, x: Tensor, y: Tensor):
    """(x, y) of each class in turn."""
    return [(x[y == k], y[y == k]) for k in range(mixture.K)]


def support(mixture: Mixture, x: Tensor, label: int) -> tuple[float, list]:
    """The log-density that 99% of the data x (N,2) of a class exceed, and the outlines of the region above it."""
    lowest = float(mixture.log_prob(x, torch.full((len(x),), label)).quantile(QUANTILE))
    line = torch.linspace(-WINDOW, WINDOW, PIXELS)
    density = mixture.log_prob(grid(PIXELS, WINDOW), torch.full((PIXELS**2,), label)).reshape(PIXELS, PIXELS)
    return lowest, contour_generator(line.numpy(), line.numpy(), density.numpy()).lines(lowest)


def sampling_lab_demo(
    networks: Mapping[str, Denoiser] | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
) -> LiveFigure:
    """The scene with its controls: exact scores alone, or beside networks {name: Denoiser}."""
    scene = bound(sampling_lab, networks=networks, mixture=mixture, schedule=schedule)
    T = (schedule or linear()).T
    controls = {
        "model": choice("model", [EXACT, *(networks or {})], START["model"]),
        "sampler": choice("sampler", list(STEPS), START["sampler"]),
        "label": choice("class y", range((mixture or islands()).K), START["label"]),
        "r": slider("scale r", -2, 8, START["r"], 0.25),
        "steps": int_slider("steps", 5, min(60, T), min(START["steps"], T)),
        "high": int_slider("guide from t", 0, T, T, max(T // 20, 1)),
        "low": int_slider("down to t", 0, T, START["low"], max(T // 20, 1)),
    }
    alt = "A guided cloud over the support of its class with some of its paths, and its accuracy against its spread"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
