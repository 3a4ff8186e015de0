"""The trajectory player of notebook 04: one cloud on its way from noise to data, under any of the four samplers."""

from functools import lru_cache, partial

import ipywidgets as widgets
import torch
from matplotlib.collections import LineCollection

from cfgedu.language import phrase
from cfgedu.plots import GUIDED, color, plane, strip
from cfgedu.protocol import seeded
from cfgedu.samplers import SAMPLERS, ddim_step, trajectory
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import Mixture, islands
from cfgedu.widgets import stage
from cfgedu.widgets.live import LiveFigure, bound, choice, int_slider, moving, slider

POINTS, TRACKED, TAIL = 240, 12, 8  # dots in the cloud; how many draw their path; steps of it shown behind a dot


def trajectory_player_scene(figure, mixture: Mixture | None = None, schedule: Schedule | None = None):
    """The scene; its state is sampler, steps, eta (DDIM alone) and progress, per cent of the way from T to 0."""
    mixture, schedule = (mixture or islands()).to("cpu"), schedule or linear()
    model = mixture.denoiser(schedule)
    generator = seeded(4)
    _, y = mixture.sample(POINTS, generator)
    x_T = torch.randn(POINTS, 2, generator=generator)
    mean_square = float(mixture.weight @ (mixture.mean.square().sum(1) + 2 * mixture.std**2))  # E |x_0|^2

    left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
    plane(left).set(xlabel="$x_1$", ylabel="$x_2$")
    strip(right, mixture, schedule)
    dots = moving(left.scatter(*x_T.T.numpy(), s=9, c=[color(k) for k in y], alpha=0.8, linewidths=0, zorder=3))
    colors = [color(k) for k in y[:TRACKED]]
    tails = moving(left.add_collection(LineCollection([], colors=colors, linewidths=0.8, alpha=0.8, zorder=2)))
    lines = moving(right.add_collection(LineCollection([], colors=colors, linewidths=1.1, alpha=0.9, zorder=2)))
    now = moving(right.axvline(schedule.T, color=GUIDED, linewidth=1))
    title = moving(left.set_title("DDIM"))
    right.set_title(f"{TRACKED} paths over the exact $p_t(x_2)$")
    stage.frame(left, right)
    handles = [stage.key(f"class {k}", color(k), marker="o", linestyle="", markersize=5) for k in range(mixture.K)]
    left.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=mixture.K)

    @lru_cache(maxsize=8)
    def walk(sampler, steps, eta):
        step = partial(ddim_step, eta=eta) if sampler == "DDIM" else SAMPLERS[sampler]
        return torch.stack(list(trajectory(step, model, schedule, x_T, y, steps, seeded(5))))  # (steps + 1, POINTS, 2)

    def update(sampler: str, steps: int, eta: float, progress: int) -> str:
        x, times = walk(sampler, steps, eta), schedule.grid(steps)
        i = round(progress * steps / 100)
        t, path = times[i], x[: i + 1, :TRACKED].transpose(0, 1)  # (TRACKED, i + 1, 2)
        dots.set_offsets(x[i].numpy())
        tails.set_segments(path[:, -TAIL - 1 :].numpy())
        clock = torch.tensor(times[: i + 1], dtype=x.dtype).expand(TRACKED, -1)
        lines.set_segments(torch.stack([clock, path[..., 1]], -1).numpy())
        now.set_xdata([t, t])
        name = f"DDIM, eta = {eta:.2f}" if sampler == "DDIM" else sampler
        title.set_text(f"{name}: t = {t}")
        a = float(schedule.alpha_bar[t])
        got, exact = float(x[i].square().sum(1).mean()) ** 0.5, (a * mean_square + 2 * (1 - a)) ** 0.5
        return phrase(
            "{name}, step {i} of {steps}, t = {t}; rms radius of the cloud {got:.3f}, of the exact p_t {exact:.3f}",
            name=name,
            i=i,
            steps=steps,
            t=t,
            got=got,
            exact=exact,
        )

    return update


def trajectory_player_demo(mixture: Mixture | None = None, schedule: Schedule | None = None) -> LiveFigure:
    """The demo, on the islands unless another mixture is given."""
    controls = {
        "sampler": choice("sampler", list(SAMPLERS), "DDPM"),
        "steps": int_slider("steps", 1, 100, 50),
        "eta": slider("eta (DDIM)", 0, 1, 0.0, 0.05),
        "progress": int_slider("progress %", 0, 100, 80, 2),
    }
    alt = "A cloud of points and some of their paths from noise at time T to data at time 0, under the chosen sampler"
    presets = {f"DDIM, eta = {eta:g}": {"sampler": "DDIM", "eta": eta} for eta in (0.0, 1.0)}
    presets |= {
        phrase("{sampler}, 5 steps", sampler=name): {"sampler": name, "steps": 5, "progress": 100} for name in SAMPLERS
    }
    scene = bound(trajectory_player_scene, mixture=mixture, schedule=schedule)
    demo = LiveFigure(scene, controls, size=(9.6, 4.6), alt=alt, presets=presets, play="progress")
    widgets.dlink((controls["sampler"], "value"), (controls["eta"], "disabled"), lambda name: name != "DDIM")
    return demo
