"""The drop-rate explorer: its arrows are the network's and the exact ones, its error is measured on the same data."""

import re

import matplotlib.pyplot as plt
import pytest
import torch
from helpers import assert_every_control_matters
from matplotlib.figure import Figure
from torch import nn

from cfgedu.models import MLP, weights_from
from cfgedu.plots import LIM, grid
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import Schedule, linear
from cfgedu.toy import islands, two_gaussians
from cfgedu.widgets.dropout import (
    ARROWS,
    LONGEST,
    NULLS,
    POINTS,
    SIZE,
    START,
    dropout_explorer,
    dropout_explorer_demo,
    with_null,
)


def networks(K=3, T=1000):
    """Two random networks under the drop rates 0 and 0.1."""
    with weights_from(seeded()):
        nets = {p: MLP(K, T, width=8) for p in (0.0, 0.1)}
    for net in nets.values():
        nn.init.normal_(net.outlet.weight, std=0.3, generator=seeded(1))
    return nets


NETS = networks()
POINTS_OF_ARROWS = grid(ARROWS, LIM * (1 - 1 / ARROWS))


def drawn(**state):
    """The two fields of arrows as drawn, the notes above the panels, the error's curve and dot, and the readout."""
    figure = Figure(figsize=SIZE)
    text = dropout_explorer(figure, NETS)(**START | state)
    quivers = [part for ax in figure.axes for part in ax.collections if hasattr(part, "U")]
    fields = [torch.stack([torch.as_tensor(q.U.data), torch.as_tensor(q.V.data)], 1).float() for q in quivers]
    curve, dot = (torch.tensor(line.get_xydata()) for line in figure.axes[2].lines[1:])
    return fields, [ax.get_title(loc="right") for ax in figure.axes], curve, dot, text


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


STATES = [START, {"p_drop": 0.1, "t": 700, "label": 2}, {"null": "zeros", "t": 20}, {"null": "mean of class rows"}]


@pytest.mark.parametrize("state", STATES)
def test_numbers_are_the_packages(state):
    state = START | state
    (exact, learned), notes, curve, dot, text = drawn(**state)
    net = with_null(NETS[state["p_drop"]], state["null"])
    wanted = [pushes(model, state["t"], state["label"]) for model in (islands().denoiser(linear()), net)]
    scale = LONGEST / max(float(g.norm(dim=1).max()) for g in wanted)
    for got, g, note in zip((exact, learned), wanted, notes):
        torch.testing.assert_close(got, scale * g, atol=1e-5, rtol=1e-4)
        assert float(note.split()[-1]) == pytest.approx(float(g.norm(dim=1).max()), rel=0.06)
    here, signal = error(net, state["t"])
    assert dot[0].tolist() == pytest.approx([state["t"], here], rel=1e-4)
    assert float(re.search(r"all classes, ([\d.e+-]+);", text)[1]) == pytest.approx(here, rel=0.06)
    assert float(re.search(r"itself, ([\d.e+-]+)$", text)[1]) == pytest.approx(signal, rel=0.06)
    assert float(notes[2].split()[0]) == pytest.approx(here / signal, rel=0.06)
    for t, value in curve[::5].tolist():
        assert value == pytest.approx(error(net, int(t))[0], rel=1e-4)


def test_with_null_changes_the_null_row_of_a_copy():
    net = NETS[0.1]
    rows = net.label.weight.detach().clone()
    expected = rows[0], torch.zeros(8), (rows[1] + rows[2] + rows[3]) / 3
    for null, row in zip(NULLS, expected, strict=True):
        got = with_null(net, null).label.weight
        torch.testing.assert_close(got[0].detach(), row)
        assert torch.equal(got[1:], rows[1:])
    assert torch.equal(net.label.weight, rows)
    with pytest.raises(ValueError, match="null must be one of learned row, zeros, mean of class rows, got 'ones'"):
        with_null(net, "ones")


def test_the_picture_follows_every_control():
    assert_every_control_matters(dropout_explorer_demo(NETS), p_drop=0.1, null="zeros", t=500, label=1)


@pytest.mark.parametrize("t", [1, 1000])
def test_the_ends_of_time_are_finite(t):
    fields, _, _, _, text = drawn(t=t)
    assert all(torch.isfinite(field).all() for field in fields)
    assert "nan" not in text


def test_other_worlds_and_schedules():
    schedule = Schedule(linear().alpha_bar[::20])  # T = 50
    demo = dropout_explorer_demo(networks(K=2, T=50), two_gaussians(), schedule)
    assert demo.controls["t"].max == 50
    assert len(demo.controls["label"].options) == 2
    assert bytes(demo.picture.value).startswith(b"\x89PNG")


def test_code_of_the_demo_draws_it(capsys):
    demo = dropout_explorer_demo(NETS)
    exec(demo.code, {"nets": NETS})
    assert capsys.readouterr().out.startswith("p_drop = 0, null: learned row")
    plt.close("all")
