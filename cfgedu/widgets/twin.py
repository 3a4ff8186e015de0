"""Two twin heads beside the exact pair: one whose trunk never sees the label, one whose trunk does."""

import torch
from torch import Tensor, nn

from cfgedu.guidance import null_pair
from cfgedu.plots import LIM, UN, G, class_map, color, grid, plane
from cfgedu.protocol import Pair
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets.guidance_vector import arrows
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving

ARROWS, PIXELS, POINTS = 13, 41, 2000  # arrows and pixels a side; data points of all classes, for the numbers
LONGEST = 0.6  # drawn length of the longest of all arrows, in units of x
FIELDS = {"guidance vector g": "g", "unconditional score": "s_{un}", "conditional score": "s_{cond}"}
SIZE = (9.8, 3.9)
START = {"t": 200, "label": 0, "shown": "guidance vector g"}


def twin_heads(
    figure, late: nn.Module, leaky: nn.Module, mixture: Mixture | None = None, schedule: Schedule | None = None
):
    """The scene; its state is the time t, the class label and the field shown, a key of FIELDS.

    late and leaky are twins, networks with a `pair`. All three panels share the scale of their arrows, written in the
    first. The numbers are means over noisy data points of the class: error = mean |u_hat - u|^2 / mean |u|^2 of the
    field shown, size = mean |u_hat|^2 / mean |u|^2, where u is the exact field.
    """
    mixture, schedule = mixture or islands(), schedule or linear()
    pairs = [null_pair(mixture.denoiser(schedule)), late.pair, leaky.pair]
    points, pixels = grid(ARROWS, LIM * (1 - 1 / ARROWS)), grid(PIXELS)
    x0, y0 = mixture.sample(POINTS, torch.Generator().manual_seed(0))
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(1))
    devices = ["cpu", *(next(twin.parameters()).device for twin in (late, leaky))]
    axes = figure.subplots(1, 3)
    pictures, quivers = [], []
    look = {"extent": (-LIM, LIM, -LIM, LIM), "origin": "lower", "vmin": 0, "vmax": 2, "interpolation": "bilinear"}
    for ax, title in zip(axes, ["exact", "late fusion", "leaky trunk"], strict=True):
        plane(ax).set_title(title, loc="left")
        pictures.append(moving(ax.imshow([[0]], zorder=0, **look)))
        quivers.append(arrows(ax, points, width=0.007, zorder=3))
        moving(*ax.spines.values())
    notes = [moving(ax.set_title("", loc="right", fontsize=10)) for ax in axes]

    def update(t: int, label: int, shown: str) -> str:
        p = mixture.posterior(pixels, float(schedule.alpha_bar[t]))[:, label].reshape(PIXELS, PIXELS).numpy()
        x = torch.cat([points, schedule.noise(x0, t, eps)[y0 == label]])
        found = [field(pair, schedule, x.to(device), t, label, shown) for pair, device in zip(pairs, devices)]
        longest = max(float(u[: len(points)].norm(dim=1).max()) for u in found)
        tint = {"g": G, "s_{un}": UN, "s_{cond}": color(label)}[FIELDS[shown]]
        for picture, quiver, u in zip(pictures, quivers, found, strict=True):
            picture.set(data=p, cmap=class_map(label))
            quiver.set_UVC(*(LONGEST / longest * u[: len(points)]).T)
            quiver.set_color(tint)
        exact, *learned = (u[len(points) :].double() for u in found)
        signal = exact.square().mean()
        measured = [(float((u - exact).square().mean() / signal), float(u.square().mean() / signal)) for u in learned]
        notes[0].set_text(f"${FIELDS[shown]}$, longest {longest:.2g}")
        for note, (error, _) in zip(notes[1:], measured, strict=True):
            note.set_text(f"error {percent(error)}")
        words = [
            f"{name}: error {percent(error)}, size {percent(size)}"
            for name, (error, size) in zip(["late fusion", "leaky"], measured, strict=True)
        ]
        return f"t = {t}, class {label}, {shown}; exact mean square {float(signal):.2g}. {'; '.join(words)}"

    return update


@torch.no_grad()
def field(pair: Pair, schedule: Schedule, x: Tensor, t: int, label: int, shown: str) -> Tensor:
    """The field (B,2) of a pair at the points x (B,2), in score units and on the CPU."""
    at = torch.full((len(x),), t, device=x.device)
    s_un, s_cond = (schedule.score(x, t, eps) for eps in pair(x, at, torch.full_like(at, label)))
    return {"g": s_cond - s_un, "s_{un}": s_un, "s_{cond}": s_cond}[FIELDS[shown]].cpu()


def percent(share: float) -> str:
    """0.063 as 6.3%; far above 1 as a multiple, since at large t the exact g is smaller than any network's error."""
    return f"{100 * share:.1f}%" if share < 9.995 else f"{share:.2g} times"


def twin_heads_demo(
    late: nn.Module, leaky: nn.Module, mixture: Mixture | None = None, schedule: Schedule | None = None
) -> LiveFigure:
    """The scene with its controls, on the islands unless another mixture is given."""
    scene = bound(twin_heads, late=late, leaky=leaky, mixture=mixture, schedule=schedule)
    mixture, schedule = mixture or islands(), schedule or linear()
    stride = max(1, schedule.T // 100)
    controls = {
        "t": int_slider("time t", stride, schedule.T, START["t"] * schedule.T // 1000, stride),
        "label": choice("class y", range(mixture.K), START["label"]),
        "shown": choice("arrows", list(FIELDS), START["shown"]),
    }
    alt = "One field three times, exact, of a late-fusion twin and of a leaky twin, over the probability of the class"
    return LiveFigure(scene, controls, size=SIZE, alt=alt)
