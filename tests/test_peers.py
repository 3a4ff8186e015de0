"""docs/diffusers.md: its blocks are run as they stand, where diffusers is installed (extra `peers`)."""

import re
from pathlib import Path

import pytest
import torch

from cfgedu.guidance import clip_x0, guided, null_pair
from cfgedu.samplers import ddim_step, sample

pytest.importorskip("diffusers", reason="diffusers is not installed: the extra `peers` has it")

from diffusers import DDIMScheduler

PAGE = Path(__file__).resolve().parent.parent / "docs" / "diffusers.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def page():
    """The names that the page's blocks leave behind."""
    names = {}
    for block in BLOCKS:
        exec(compile(block, PAGE.name, "exec"), names)
    return names


def scheduled(page, model, r=3.0, use_clipped_model_output=False, **changes):
    """Digits by diffusers' scheduler, with some settings of the page changed."""
    settings = {**page["scheduler"].config, **changes}
    scheduler, x, y = DDIMScheduler.from_config(settings), page["x_T"], page["y"]
    scheduler.set_timesteps(page["steps"])
    denoiser = guided(null_pair(model), r)
    for index in scheduler.timesteps:
        with torch.no_grad():
            eps = denoiser(x, (index + 1).expand(len(x)), y)
        x = scheduler.step(eps, index, x, use_clipped_model_output=use_clipped_model_output).prev_sample
    return x


def rms(a, b):
    return (a - b).square().mean().sqrt().item()


def test_the_pictures_are_the_same(page):
    assert len(BLOCKS) == 3
    assert page["ours"].shape == (10, 1, 28, 28)
    assert page["difference"] < 1e-3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"timestep_spacing": "leading"}, 0.010),
        ({"timestep_spacing": "linspace"}, 0.039),
        ({"set_alpha_to_one": False}, 0.009),
        ({"clip_sample": True}, 0.73),
    ],
)
def test_what_has_to_agree(page, changes, said):
    assert rms(scheduled(page, page["net"], **changes), page["ours"]) == pytest.approx(said, rel=0.15)


def test_consistent_clipping_is_clip_x0(page):
    ours = sample(ddim_step, clip_x0(guided(null_pair(page["net"]), 3.0), page["schedule"]), page["schedule"],
                  page["x_T"], page["y"], page["steps"])  # fmt: skip
    theirs = scheduled(page, page["net"], clip_sample=True, use_clipped_model_output=True)
    assert (theirs - ours).abs().max() < 1e-3


def test_their_network_under_our_sampler(page):
    """Against their own scheduler, which is asked for the same steps."""
    theirs = scheduled(page, page["denoiser"])
    assert rms(theirs, page["theirs"]) < 1e-3 * page["theirs"].square().mean().sqrt()
