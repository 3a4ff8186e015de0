"""The score mixer's picture and numbers agree with the package."""

import pytest
import torch
from helpers import Later, vectors

from cfgedu.protocol import NULL
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.mixing import LENGTH, score_mixer_demo

DEMO = Later(score_mixer_demo)


def drawn(**state):
    """The scene's two quivers, its three marks, its bars and the readout."""
    text = DEMO.update(**DEMO.start | state)
    world, arrows, weights = DEMO.figure.axes
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


@pytest.mark.parametrize("state", [{}, {"t": 1, "px": -2.7, "py": 2.7}, {"t": 1000, "px": 0.0, "py": 0.0}])
def test_numbers_are_the_packages(state):
    state = DEMO.start | state
    quivers, (ring, cross, plus), heights, text = drawn(**state)
    s, s_un, p = truth(**state)
    for quiver, scale in zip(quivers, (1 / LENGTH, half_window(s)), strict=True):
        torch.testing.assert_close(vectors(quiver) * scale, torch.cat([s, s_un[None]]))
    for mark, mean in ((ring, s_un), (cross, islands().prior @ s), (plus, s.mean(0))):
        tip = (torch.as_tensor(mark.get_xydata())[0] - torch.as_tensor(quivers[1].get_offsets()[0])) * half_window(s)
        torch.testing.assert_close(tip, mean, atol=1e-10, rtol=0)
    torch.testing.assert_close(torch.tensor(heights, dtype=torch.float64), p)
    assert "posterior-weighted 0.000" in text
