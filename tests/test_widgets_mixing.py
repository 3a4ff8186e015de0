"""The score mixer's picture and numbers agree with the package."""

import matplotlib.pyplot as plt
import pytest
import torch
from helpers import assert_every_control_matters
from matplotlib.figure import Figure

from cfgedu.protocol import NULL
from cfgedu.schedule import linear
from cfgedu.toy import islands, spirals
from cfgedu.widgets.mixing import SIZE, START, score_mixer, score_mixer_demo


def drawn(**state):
    """The scene's two quivers, its three marks, its bars and the readout."""
    figure = Figure(figsize=SIZE)
    text = score_mixer(figure)(**START | state)
    world, arrows, weights = figure.axes
    quivers = [ax.collections[-1] for ax in (world, arrows)]
    marks = [line for line in arrows.lines if line.get_linestyle() == "None"]
    return quivers, marks, [bar.get_height() for bar in weights.patches], text


def half_window(s):
    """Half the side of the middle panel's window, in the units of the arrows."""
    return 0.6 * float((s.amax(0).clamp(min=0) - s.amin(0).clamp(max=0)).max())


def truth(t, px, py):
    """(scores (K,2) times sqrt(1 - a_t), the unconditional one (2,), posterior (K,)) in float64."""
    mixture, schedule = islands(), linear()
    x = torch.tensor([[px, py]], dtype=torch.float64).expand(4, 2)
    eps = mixture.denoiser(schedule)(x, torch.full((4,), t), torch.tensor([0, 1, 2, NULL]))
    return -eps[:3], -eps[3], mixture.posterior(x[:1], float(schedule.alpha_bar[t]))[0]


@pytest.mark.parametrize("state", [START, {"t": 1, "px": -2.7, "py": 2.7}, {"t": 1000, "px": 0.0, "py": 0.0}])
def test_numbers_are_the_packages(state):
    quivers, (ring, cross, plus), heights, text = drawn(**state)
    s, s_un, p = truth(**state)
    for quiver, scale in zip(quivers, (1.0, half_window(s)), strict=True):
        found = torch.stack([torch.as_tensor(quiver.U.data), torch.as_tensor(quiver.V.data)], 1)
        torch.testing.assert_close(found * scale, torch.cat([s, s_un[None]]), check_dtype=False)
    for mark, mean in ((ring, s_un), (cross, islands().prior @ s), (plus, s.mean(0))):
        tip = (torch.as_tensor(mark.get_xydata())[0] - torch.as_tensor(quivers[1].get_offsets()[0])) * half_window(s)
        torch.testing.assert_close(tip, mean, atol=1e-10, rtol=0)
    torch.testing.assert_close(torch.tensor(heights, dtype=torch.float64), p)
    assert "posterior-weighted 0.000" in text
    assert "nan" not in text


def test_the_picture_follows_every_control():
    assert_every_control_matters(score_mixer_demo(), t=400, px=-1.0, py=-0.5)


def test_code_of_the_demo_draws_it(capsys):
    demo = score_mixer_demo()
    exec(demo.code, {})
    assert capsys.readouterr().out.startswith("t = 150")
    plt.close("all")


def test_another_world():
    demo = score_mixer_demo(spirals())
    assert bytes(demo.picture.value).startswith(b"\x89PNG")
