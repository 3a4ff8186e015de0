"""Two attributes: one cloud, two scales, one for each attribute, two formulas, and a negative condition."""

import torch

from cfgedu.language import phrase
from cfgedu.plots import CLASSES, grid, plane
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import ddim_step, sample
from cfgedu.schedule import Schedule, even_angles, straight
from cfgedu.toy import Mixture, two_attributes
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, moving, slider

FIRST, SECOND = ("left", "right"), ("down", "up")  # the values of the two attributes
POINTS, STEPS, PIXELS, DEPTH = 200, 20, 71, 5.0


def two_attributes_scene(figure, schedule: Schedule | None = None):
    """The scene; its state is the two values, their scales r_a and r_b, the formula and the negative condition.

    chained: base + r_a (eps_a - base) + r_b (eps_ab - eps_a);  summed: base + r_a (eps_a - base) + r_b (eps_b - base),
    where base is the prediction without label, or that for the negative condition. Exact scores, DDIM, one start.
    """
    schedule = schedule or straight()
    worlds = two_attributes()
    mean, std, weight = worlds[0].mean, worlds[0].std, worlds[0].weight
    both = Mixture(mean, std, weight, 2 * worlds[0].label + worlds[1].label)
    joint, *alone = (world.denoiser(schedule) for world in (both, *worlds))
    conditions = {"none": (joint, NULL)}
    conditions |= {value: (alone[0], k) for k, value in enumerate(FIRST)}
    conditions |= {value: (alone[1], k) for k, value in enumerate(SECOND)}
    conditions |= {f"{a}, {b}": (joint, 2 * i + j) for i, a in enumerate(FIRST) for j, b in enumerate(SECOND)}
    x_T, times = torch.randn(POINTS, 2, generator=seeded(9)), even_angles(schedule, STEPS)
    data = both.sample(200_000, seeded(3))  # where the lowest hundredth of each combination's own points ends
    lowest = [stage.edge_of_support(both, data[0][data[1] == k], k) for k in range(4)]
    places = list(conditions)[-4:]
    left, right = figure.subplots(1, 2, width_ratios=[1, 0.8])
    show_cloud, show_shares = world_panel(left, both), shares_panel(right, both, places)
    stage.frame(left, right)

    def prediction(name):
        model, label = conditions[name]
        return lambda x, t, y: model(x, t, torch.full_like(y, label))

    def update(first: str, second: str, r_a: float, r_b: float, formula: str, negative: str) -> str:
        base, eps_a, eps_b, eps_ab = map(prediction, (negative, first, second, f"{first}, {second}"))

        def composed(x, t, y):
            at_base, at_a = base(x, t, y), eps_a(x, t, y)
            further = eps_ab(x, t, y) - at_a if formula == "chained" else eps_b(x, t, y) - at_base
            return at_base + r_a * (at_a - at_base) + r_b * further

        wanted = torch.full((POINTS,), places.index(f"{first}, {second}"))
        x = sample(ddim_step, composed, schedule, x_T, wanted, times)
        shares = both.posterior(x).mean(0)
        show_cloud(x, int(wanted[0]), f"{first} with {r_a:g}, {second} with {r_b:g}")
        show_shares(shares)
        outside = float((both.log_prob(x, wanted) < lowest[int(wanted[0])]).float().mean())
        table = shares.reshape(2, 2)  # a by b: the attributes' own shares are its sums
        p_a, p_b = float(table.sum(1)[FIRST.index(first)]), float(table.sum(0)[SECOND.index(second)])
        return phrase(
            "{formula}, r_a = {r_a:.2f}, r_b = {r_b:.2f}, baseline: {baseline}. Means over the samples: "
            "p({a} | x) = {p_a:.2f}, p({b} | x) = {p_b:.2f}; {outside:.0%} lie off the data of {a}, {b}",
            formula=phrase(formula),
            r_a=r_a,
            r_b=r_b,
            a=phrase(first),
            b=phrase(second),
            baseline=phrase("no condition") if negative == "none" else phrase(negative),
            p_a=p_a,
            p_b=p_b,
            outside=outside,
        )

    return update


def world_panel(ax, both):
    """The density of all data in grey, the four names, and the cloud in the colour of what is asked for."""
    shade = stage.height(both.log_prob(grid(PIXELS), torch.full((PIXELS**2,), NULL)), DEPTH)
    plane(ax).imshow(1 - 0.35 * stage.square(shade), extent=stage.WINDOW, origin="lower", cmap="gray", vmin=0, vmax=1,
                     interpolation="bilinear", zorder=0)  # fmt: skip
    ax.set(ylabel="$x_2$")
    cloud = stage.line(ax, "o", markersize=3.2, markeredgewidth=0.4, zorder=3)
    title = moving(ax.set_title("guided to: right with 1.25, down with 1.25"))

    def show(x, k, wanted):
        cloud.set_data(*x.T.numpy())
        cloud.set(color=CLASSES[k], markeredgecolor=stage.ink(CLASSES[k]))
        title.set_text(f"guided to: {wanted}")

    return show


def shares_panel(ax, both, names):
    """A bar for the mean of p(combination given x) over the samples, and the share of the data as a line."""
    bars, prior = stage.class_bars(ax, both, label="share of the data")
    ax.set(ylim=(0, 1.02), title="mean of $p(a, b\\,|\\,x)$")
    ax.set_xticklabels([name.replace(", ", ",\n") for name in names])
    ax.legend(handles=[prior], loc="upper left")
    return lambda shares: stage.set_heights(bars, shares)


def two_attributes_demo(schedule: Schedule | None = None) -> LiveFigure:
    """The demo: two scale sliders and a negative condition."""
    scene = bound(two_attributes_scene, schedule=schedule)
    controls = {
        "first": choice("a", FIRST, "left"),
        "r_a": slider("scale r_a", 0, 6, 1.0, 0.25),
        "second": choice("b", SECOND, "up"),
        "r_b": slider("scale r_b", 0, 6, 1.0, 0.25),
        "formula": choice("formula", ("chained", "summed"), "chained"),
        "negative": choice("negative", ("none", *FIRST, *SECOND), "none"),
    }
    alt = "Samples guided by two attributes with a scale each, over all data; bars: which combination they belong to"
    presets = {
        "sum at 1 and 1": {"formula": "summed"},
        "chain at 1 and 1": {"formula": "chained"},
        "up, not down, at 2": {"negative": "down", "r_a": 2.0, "r_b": 2.0},
        "right, up at 4": {"first": "right", "r_a": 4.0, "r_b": 4.0},
    }
    return LiveFigure(scene, controls, size=(9.2, 4.4), alt=alt, presets=presets, play="r_b")
