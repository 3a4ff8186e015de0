"""The loss explorer of notebook 03: what a network is asked to hit at one noisy point, and the loss that remains."""

import torch
from torch import Tensor

from cfgedu.language import phrase
from cfgedu.metrics import buckets
from cfgedu.plots import GUIDED, UN, color
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving

DRAWS, SAMPLES = 300, 4000  # targets drawn at the point; samples behind each bucket's floor


def bucket_floors(mixture: Mixture, schedule: Schedule, y: int, samples: int = SAMPLES) -> tuple[Tensor, Tensor]:
    """The exact denoiser's (eps loss, unweighted DSM loss) in each bucket: for class y, or all data unlabelled."""
    generator, model = seeded(0), mixture.denoiser(schedule)
    x0, label = mixture.sample(samples, generator)
    x0 = x0 if y == NULL else x0[label == y]
    eps_floor, dsm_floor = [], []
    for low, high in buckets(schedule.T):
        t = torch.randint(low, high + 1, (len(x0),), generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        x = schedule.noise(x0, t, eps)
        error = (model(x, t, torch.full_like(t, y)) - eps).square().mean(1)
        eps_floor.append(error.mean())
        dsm_floor.append((error / schedule.noise_level(t, x)[:, 0] ** 2).mean())
    return torch.stack(eps_floor), torch.stack(dsm_floor)


def loss_explorer_scene(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is bucket (1..10) and label (NULL for none)."""
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    model, spans = mixture.denoiser(schedule), buckets(schedule.T)
    floors = {y: bucket_floors(mixture, schedule, y) for y in range(NULL, mixture.K)}
    widths = torch.tensor([high - low + 1 for low, high in spans], dtype=torch.float32)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    show_targets, show_floors = targets_panel(left), floors_panel(right, spans)
    stage.frame(left, right)

    def update(bucket: int, label: int) -> str:
        low, high = spans[bucket - 1]
        t = (low + high) // 2
        a = float(schedule.alpha_bar[t])
        x0 = mixture.mean[mixture.label == max(label, 0)][:1] + 0.2
        x = a**0.5 * x0 + (1 - a) ** 0.5 * torch.tensor([[0.8, -0.6]])  # the same x_0 and noise at every level
        drawn = mixture.draw_x0(x, label, a, DRAWS, seeded(1))
        # the eps that leads from each possible x_0 to this x_t, and the best answer
        show_targets(t, label, schedule.eps(x, t, drawn), stage.at(model, x, t, label))
        eps_floor, dsm_floor = floors[label]
        show_floors(bucket, dsm_floor, eps_floor)
        eps_here, dsm_here = float(eps_floor[bucket - 1]), float(dsm_floor[bucket - 1])
        share = dsm_here * float(widths[bucket - 1]) / float(dsm_floor @ widths)
        return phrase(
            "t = {low} to {high}: floor of the eps loss {eps:.2g}, of the unweighted DSM loss {dsm:.2g}: {share:.0%} "
            "of that loss, from {part:.0%} of the times",
            low=low,
            high=high,
            eps=eps_here,
            dsm=dsm_here,
            share=share,
            part=(high - low + 1) / schedule.T,
        )

    return update


def targets_panel(ax):
    """The noises that may be hidden in one noisy point, and their mean."""
    ax.set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xlabel=r"$\epsilon_1$", ylabel=r"$\epsilon_2$")
    ax.axhline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    targets = moving(ax.scatter([0], [0], s=9, color=UN, alpha=0.6, linewidths=0, zorder=2))
    best = stage.line(ax, "X", color=GUIDED, markeredgecolor="white", markersize=12, zorder=4)
    ax.plot([], [], "o", color=UN, markersize=4, label="noises that may be in $x_t$")
    ax.plot([], [], "X", color=GUIDED, markersize=9, label="their mean: the best answer")
    key = moving(ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16)).get_lines()[0])
    title = moving(ax.set_title("targets at one $x_t$"))

    def show(t, label, noise, mean):
        targets.set_offsets(noise.numpy())
        targets.set_color(color(label))
        key.set_color(color(label))
        best.set_data(*mean.T.numpy())
        title.set_text(f"targets at one $x_t$,  t = {t}")

    return show


def floors_panel(ax, spans):
    """The floor of both losses in each bucket of times, a grey bar behind the bucket chosen."""
    places = list(range(1, len(spans) + 1))
    bar = moving(ax.axvspan(0.5, 1.5, color="#EEEEEE", zorder=0))
    names = {"DSM, unweighted": "#B5893C", "eps loss": "#332288"}  # no class's colours
    lines = [moving(ax.semilogy(places, places, "o-", color=c, label=name)[0]) for name, c in names.items()]
    ax.set(xlim=(0.5, len(spans) + 0.5), ylim=(1e-4, 3e4), xlabel="bucket of times t", ylabel="floor of the loss")
    ax.set_xticks(places, [f"{low}–{high}" for low, high in spans], rotation=45, ha="right")
    ax.legend(loc="upper right")
    ax.set_title("the loss of the exact answer")

    def show(bucket, *floors):
        bar.set_x(bucket - 0.5)
        for line, floor in zip(lines, floors, strict=True):
            line.set_ydata(floor.numpy())

    return show


def loss_explorer_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    labels = [("none", NULL), *((phrase("class {label}", label=k), k) for k in range((mixture or islands()).K))]
    controls = {
        "bucket": int_slider("bucket of t", 1, len(buckets(1000)), 5),
        "label": choice("label y", labels, NULL),
    }
    alt = "The noises that may be hidden in one noisy point, and the floor of both losses in each bucket of times"
    scene = bound(loss_explorer_scene, mixture=mixture, schedule=schedule)
    presets = {
        "first bucket": {"bucket": 1},
        "last bucket": {"bucket": 10},
        "101 to 200, no label": {"bucket": 5},
        "101 to 200, class 0": {"bucket": 5, "label": 0},
    }
    look = {"presets": presets if schedule is None else {}, "drag": {1: ("bucket", None)}, "play": "bucket"}
    return LiveFigure(scene, controls, size=(9.6, 4.5), alt=alt, **look)
