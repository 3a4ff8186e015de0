"""The drop-rate explorer: its arrows are the network's and the exact ones, its error is measured on the same data."""

import pytest
import torch
from helpers import Later, number, quivers, random_network, vectors

from cfgedu.models import MLP, with_null
from cfgedu.plots import LIM, grid
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.dropout import ARROWS, LONGEST, POINTS, dropout_explorer_demo

NETS = {p: random_network(lambda: MLP(3, width=8), seed) for seed, p in enumerate((0.0, 0.1))}
DEMO = Later(dropout_explorer_demo, NETS)
POINTS_OF_ARROWS = grid(ARROWS, LIM * (1 - 1 / ARROWS))


def drawn(**state):
    """The two fields of arrows as drawn, the notes above the panels, the error's curve and dot, and the readout."""
    text = DEMO.update(**DEMO.start | state)
    axes = DEMO.figure.axes
    curve, dot = (torch.tensor(line.get_xydata()) for line in axes[2].lines[1:])
    return [vectors(q).float() for q in quivers(DEMO)], [ax.get_title(loc="right") for ax in axes], curve, dot, text


@torch.no_grad()
def pushes(model, t, label):
    """eps_un - eps_cond of a model at the arrows' points, by two calls."""
    x, at = POINTS_OF_ARROWS, torch.full((len(POINTS_OF_ARROWS),), t)
    return model(x, at, torch.full_like(at, NULL)) - model(x, at, torch.full_like(at, label))


@torch.no_grad()
def error(model, t):
    """The mean squared error of g at time t, by hand."""
    x0, y = islands().sample(POINTS, seeded(0))
    x, at = linear().noise(x0, t, torch.randn(x0.shape, generator=seeded(1))), torch.full_like(y, t)
    exact, none = islands().denoiser(linear()), torch.full_like(y, NULL)
    g, g_exact = (each(x, at, y) - each(x, at, none) for each in (model, exact))
    return float((g - g_exact).square().mean()), float(g_exact.square().mean())


STATES = [{}, {"p_drop": 0.1, "t": 700, "label": 2}, {"null": "zeros", "t": 20}, {"null": "mean of class rows"}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = DEMO.start | state
    (exact, learned), notes, curve, dot, text = drawn(**state)
    net = with_null(NETS[state["p_drop"]], state["null"])
    wanted = [pushes(model, state["t"], state["label"]) for model in (islands().denoiser(linear()), net)]
    scale = LONGEST / max(float(g.norm(dim=1).max()) for g in wanted)
    for got, g, note in zip((exact, learned), wanted, notes):
        torch.testing.assert_close(got, scale * g, atol=1e-5, rtol=1e-4)
        assert float(note.split()[-1]) == pytest.approx(float(g.norm(dim=1).max()), rel=0.06)
    here, signal = error(net, state["t"])
    assert dot[0].tolist() == pytest.approx([state["t"], here], rel=1e-4)
    assert number(r"all classes, ([\d.e+-]+);", text) == pytest.approx(here, rel=0.06)
    assert number(r"itself, ([\d.e+-]+)$", text) == pytest.approx(signal, rel=0.06)
    assert float(notes[2].split()[0]) == pytest.approx(here / signal, rel=0.06)
    for t, value in curve[::5].tolist():
        assert value == pytest.approx(error(net, int(t))[0], rel=1e-4)
