"""Two twin heads beside the exact pair: one whose trunk never sees the label, one whose trunk does."""

import torch
from torch import Tensor, nn

from cfgedu.checkpoints import load_checkpoint
from cfgedu.guidance import guidance_vector, null_pair
from cfgedu.language import phrase
from cfgedu.models import TwinMLP
from cfgedu.plots import UN, G, class_map, color, grid, plane
from cfgedu.protocol import Pair, seeded, where_labelled
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice

ARROWS, PIXELS, POINTS = 13, 41, 2000  # arrows and pixels a side; data points of all classes, for the numbers
LONGEST = 0.6  # drawn length of the longest of all arrows, in units of x
FIELDS = {"guidance vector g": "g", "unconditional score": "s_{un}", "conditional score": "s_{cond}"}
PANELS = ("exact", "late fusion", "leaky trunk")


class LeakyTwin(TwinMLP):
    """The twin of notebook 09 whose trunk is told the label, so that neither head is unconditional."""

    def pair(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        c = self.time(t)
        told = c + self.label(y + 1)
        h = self.trunk(self.inlet(x), told)  # the leak: told in place of c
        eps_un, eps_cond = self.outlet_un(self.head_un(h, c)), self.outlet_cond(self.head_cond(h, told))
        return eps_un, where_labelled(y, eps_cond, eps_un)


def shipped_twins() -> tuple[TwinMLP, LeakyTwin]:
    """(late, leaky): one of each kind, trained as notebook 09 trains its own."""
    late, weights = (load_checkpoint(name)[0] for name in ("twin-late", "twin-leaky"))
    leaky = LeakyTwin(**weights.config)
    leaky.load_state_dict(weights.state_dict())
    return late, leaky.eval()


def twin_heads_scene(
    figure,
    late: nn.Module | None = None,
    leaky: nn.Module | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
):
    """The scene; its state is the time t, the class label and the field shown, a key of FIELDS.

    late and leaky are twins, networks with a `pair`, those that ship with the course unless both are given. All three
    panels share the scale of their arrows, written in the first. The numbers are means over noisy data points of the
    class: error = mean |u_hat - u|^2 / mean |u|^2 of the field shown, size = mean |u_hat|^2 / mean |u|^2, where u is
    the exact field.
    """
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    late, leaky = (late, leaky) if late and leaky else shipped_twins()
    pairs = [null_pair(mixture.denoiser(schedule)), late.pair, leaky.pair]
    points, pixels = stage.places(ARROWS), grid(PIXELS)
    x0, y0 = mixture.sample(POINTS, seeded(0))
    eps = torch.randn(x0.shape, generator=seeded(1))
    devices = ["cpu", *(next(twin.parameters()).device for twin in (late, leaky))]
    axes = figure.subplots(1, 3)
    show = panels(axes, points)

    @torch.no_grad()
    def update(t: int, label: int, shown: str) -> str:
        p = mixture.posterior(pixels, float(schedule.alpha_bar[t]))[:, label]
        x = torch.cat([points, schedule.noise(x0, t, eps)[y0 == label]])
        both = zip(pairs, devices)
        found = [stage.at(field(pair, schedule, shown), x.to(device), t, label).cpu() for pair, device in both]
        exact, *learned = (u[len(points) :].double() for u in found)
        signal = exact.square().mean()
        errors = [percent(float((u - exact).square().mean() / signal)) for u in learned]
        sizes = [percent(float(u.square().mean() / signal)) for u in learned]
        show(stage.square(p), label, FIELDS[shown], [u[: len(points)] for u in found], errors)
        return phrase(
            "t = {t}, class {label}, {shown}; exact mean square {signal:.2g}. late fusion: error {late}, size {size}; "
            "leaky: error {leaky}, size {other}",
            t=t,
            label=label,
            shown=phrase(shown),
            signal=float(signal),
            **dict(zip(("late", "leaky", "size", "other"), [*errors, *sizes], strict=True)),
        )

    return update


def panels(axes, points):
    """One field in three panels, over p(y given x_t), to one scale."""
    pictures, quivers = [], []
    for ax, title in zip(axes, PANELS, strict=True):
        plane(ax).set_title(title, loc="left")
        pictures.append(stage.shade(ax, vmin=0, vmax=2))
        quivers.append(stage.arrows(ax, points, width=0.007, zorder=3))
    stage.frame(*axes)
    notes = [stage.note(ax) for ax in axes]

    def show(p, label, symbol, fields, errors):
        longest = max(float(u.norm(dim=1).max()) for u in fields)
        tint = {"g": G, "s_{un}": UN, "s_{cond}": color(label)}[symbol]
        for picture, quiver, u in zip(pictures, quivers, fields, strict=True):
            picture.set(data=p, cmap=class_map(label))
            quiver.set_UVC(*(LONGEST / longest * u).T)
            quiver.set_color(tint)
        for note, text in zip(notes, [f"${symbol}$, longest {longest:.2g}", *(f"error {error}" for error in errors)]):
            note.set_text(text)

    return show


def field(pair: Pair, schedule: Schedule, shown: str):
    """The field of a pair that FIELDS calls `shown`, (x, t, y) -> (B,2) in score units."""
    if FIELDS[shown] == "g":
        return guidance_vector(pair, schedule)
    mode = 0 if FIELDS[shown] == "s_{un}" else 1
    return lambda x, t, y: schedule.score(x, t, pair(x, t, y)[mode])


def percent(share: float) -> str:
    """0.063 as 6.3%; far above 1 as a multiple, since at large t the exact g is smaller than any network's error."""
    return f"{100 * share:.1f}%" if share < 9.995 else phrase("{share:.2g} times", share=share)


def twin_heads_demo(
    late: nn.Module | None = None,
    leaky: nn.Module | None = None,
    mixture: Mixture | None = None,
    schedule: Schedule | None = None,
) -> LiveFigure:
    """The demo of two twins, or of those that ship; on the islands unless another mixture is given."""
    scene = bound(twin_heads_scene, late=late, leaky=leaky, mixture=mixture, schedule=schedule)
    controls = {
        "t": stage.time_slider(schedule or linear(), 200, stops=100),
        "label": choice("class y", range((mixture or islands()).K), 0),
        "shown": choice("arrows", list(FIELDS), "guidance vector g"),
    }
    alt = "One field three times, exact, of a late-fusion twin and of a leaky twin, over the probability of the class"
    other = {"shown": "unconditional score"}
    presets = {phrase("no label, class {label}", label=k): {**other, "label": k} for k in range(2)}
    presets |= {phrase("g at t = {t}", t=t): {"t": t} for t in (1000, 600, 250)}
    presets = {} if schedule else presets
    return LiveFigure(scene, controls, size=(9.6, 3.8), alt=alt, presets=presets, play="t")
