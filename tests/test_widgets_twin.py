"""The twin heads' picture and numbers agree with the package."""

import pytest
import torch
from helpers import Later, LeakyTwin, number, quivers, random_network, vectors

from cfgedu.guidance import null_pair
from cfgedu.models import TwinMLP
from cfgedu.plots import LIM, grid
from cfgedu.protocol import NULL, seeded
from cfgedu.schedule import linear
from cfgedu.toy import islands
from cfgedu.widgets.twin import ARROWS, FIELDS, LONGEST, POINTS, percent, twin_heads_demo

LATE, LEAKY = (random_network(lambda kind=kind: kind(3, width=16), i) for i, kind in enumerate((TwinMLP, LeakyTwin)))
PAIRS = [null_pair(islands().denoiser(linear())), LATE.pair, LEAKY.pair]
DEMO = Later(twin_heads_demo, LATE, LEAKY)


def drawn(**state):
    """The arrows (3, n, 2) of the three panels, their titles on the right, and the readout."""
    text = DEMO.update(**DEMO.start | state)
    arrows = torch.stack([vectors(q) for q in quivers(DEMO)])
    return arrows, [ax.get_title(loc="right") for ax in DEMO.figure.axes], text


@torch.no_grad()
def fields(x, t, label, shown):
    """The field in score units of the exact pair and the two twins, written out."""
    at, y = torch.full((len(x),), t), torch.full((len(x),), label)
    sigma = float(1 - linear().alpha_bar[t]) ** 0.5
    eps = [pair(x, at, y) for pair in PAIRS]
    pick = {
        "guidance vector g": lambda un, cond: un - cond,
        "unconditional score": lambda un, cond: -un,
        "conditional score": lambda un, cond: -cond,
    }[shown]
    return torch.stack([pick(*both) / sigma for both in eps])


@pytest.mark.parametrize("shown", FIELDS)
@pytest.mark.parametrize(("t", "label"), [(50, 0), (200, 2), (400, 1)])
def test_numbers_are_the_packages(t, label, shown):
    arrows, notes, text = drawn(t=t, label=label, shown=shown)
    expected = fields(grid(ARROWS, LIM * (1 - 1 / ARROWS)), t, label, shown)
    longest = float(expected.norm(dim=2).max())
    torch.testing.assert_close(arrows, (LONGEST * expected / longest).double(), atol=1e-5, rtol=1e-4)
    assert number(r"longest ([\d.e+-]+)", notes[0]) == pytest.approx(longest, rel=0.06)

    x0, y0 = islands().sample(POINTS, seeded(0))
    a = float(linear().alpha_bar[t])
    eps = torch.randn(POINTS, 2, generator=seeded(1))
    x = (a**0.5 * x0 + (1 - a) ** 0.5 * eps)[y0 == label]
    exact, *learned = fields(x, t, label, shown).double()
    assert f"exact mean square {exact.square().mean():.2g}" in text
    for name, note, u in zip(("late fusion", "leaky"), notes[1:], learned, strict=True):
        error, size = ((v.square().mean() / exact.square().mean()).item() for v in (u - exact, u))
        assert f"{name}: error {percent(error)}, size {percent(size)}" in text
        assert note == f"error {percent(error)}"


def test_only_the_leaky_twins_unconditional_field_follows_the_label():
    fields = [drawn(shown="unconditional score", label=label) for label in range(3)]
    scale = [number(r"longest ([\d.e+-]+)", notes[0]) for _, notes, _ in fields]
    assert len(set(scale)) > 1  # the leaky arrows set the scale, so compare the shapes of the fields
    shapes = [arrows / arrows.flatten(1).norm(dim=1)[:, None, None] for arrows, _, _ in fields]
    for other in shapes[1:]:
        torch.testing.assert_close(other[:2], shapes[0][:2], atol=1e-5, rtol=1e-4)
        assert (other[2] - shapes[0][2]).abs().max() > 1e-3


def test_shares_are_read_as_per_cent_or_as_multiples():
    assert [percent(share) for share in (0.0, 0.0634, 1.0, 9.99, 86.4, 4.2e5)] == [
        "0.0%",
        "6.3%",
        "100.0%",
        "999.0%",
        "86 times",
        "4.2e+05 times",
    ]


def test_new_twins_predict_nothing():
    demo = twin_heads_demo(TwinMLP(3), TwinMLP(3))
    assert "late fusion: error 100.0%, size 0.0%; leaky: error 100.0%, size 0.0%" in demo.readout.value


def test_the_stand_ins_are_what_they_stand_for():
    """Without this, the tests above could pass on two twins of one kind."""
    x, t = torch.randn(8, 2, generator=seeded(2)), torch.full((8,), 200)
    for twin, same in ((LATE, True), (LEAKY, False)):
        first, second = (twin.pair(x, t, torch.full_like(t, k))[0] for k in (0, 1))
        assert torch.equal(first, second) == same
    assert torch.equal(*LEAKY.pair(x, t, torch.full_like(t, NULL)))
