"""Images made and judged at one setting: shared noise at every setting, and honest numbers."""

import pytest
import torch
from helpers import network

from cfgedu import metrics
from cfgedu.guidance import guided, null_pair, pair_of
from cfgedu.metrics import diversity, frechet_distance, generate, judged, moments
from cfgedu.models import MLP, Judge, TwinMLP, weights_from
from cfgedu.protocol import NULL, seeded
from cfgedu.samplers import SAMPLERS, sample
from cfgedu.schedule import linear

S = linear()


def small_judge():
    with weights_from(seeded(1)):
        return Judge(width=4, features=4).eval()


def test_every_setting_starts_from_the_same_noise(monkeypatch):
    """Network, sampler and r change nothing in x_T, the labels, or the fresh noise."""
    seen = []

    def watched(step, model, schedule, x, y, steps, generator):
        seen[-1].append((x, y, generator.get_state()))
        return sample(step, model, schedule, x, y, steps, generator)

    monkeypatch.setattr(metrics, "sample", watched)
    for net, sampler, r in ((network(), "DDPM", 0), (network(TwinMLP), "DDPM", 3.0), (network(), "Euler-Maruyama", 1)):
        seen.append([])
        images, y = generate(net, S, sampler, r, shape=(1, 8, 8), n=230, steps=3)
        assert images.shape == (230, 1, 8, 8)
        assert torch.equal(y, torch.arange(230) % 10)
    assert [len(part[0]) for part in seen[0]] == [100, 100, 30]
    for other in seen[1:]:
        for a, b in zip(seen[0], other, strict=True):
            assert all(map(torch.equal, a, b))


def test_generate_is_guided_sampling():
    net = network()
    images, y = generate(net, S, "DDIM", 2.0, shape=(1, 8, 8), n=30, steps=4, seed=5)
    x_T = torch.randn(30, 1, 8, 8, generator=seeded(5))
    expected = sample(SAMPLERS["DDIM"], guided(null_pair(net), 2.0), S, x_T, y, 4)
    assert torch.equal(images, expected)
    assert not torch.equal(images, generate(net, S, "DDIM", 2.0, shape=(1, 8, 8), n=30, steps=4, seed=6)[0])
    with pytest.raises(ValueError, match='sampler must be "DDPM", "DDIM", "Euler-Maruyama" or "ODE", got \'heun\''):
        generate(net, S, "heun", 2.0)


@pytest.mark.parametrize("kind", [MLP, TwinMLP])
@pytest.mark.parametrize("r", [0, 1])
def test_without_guidance_one_prediction_is_enough(kind, r):
    net, asked = network(kind), []
    images, y = generate(net, S, "DDPM", r, shape=(1, 8, 8), n=30, steps=4, seed=5)
    x_T = torch.randn(30, 1, 8, 8, generator=(g := seeded(5)))
    expected = sample(SAMPLERS["DDPM"], guided(pair_of(net), r), S, x_T, y, 4, g)
    torch.testing.assert_close(images, expected, rtol=1e-4, atol=1e-4)
    net.register_forward_pre_hook(lambda _, given: asked.append(given))
    generate(net, S, "DDPM", r, shape=(1, 8, 8), n=30, steps=4)
    assert [len(x) for x, _, _ in asked] == [30] * 4  # not 60, and once a step
    assert all(bool((y == NULL).all()) == (r == 0) for _, _, y in asked)


def test_a_pair_of_either_kind():
    x, t, y = torch.randn(4, 1, 8, 8, generator=seeded()), torch.full((4,), 500), torch.arange(4)
    twin = network(TwinMLP)
    assert all(map(torch.equal, pair_of(twin)(x, t, y), twin.pair(x, t, y)))
    assert all(map(torch.equal, pair_of(network())(x, t, y), null_pair(network())(x, t, y)))


def test_judged_against_a_direct_computation():
    judge, images, y = small_judge(), torch.randn(60, 1, 8, 8, generator=seeded(4)), torch.arange(60) % 10
    with torch.no_grad():
        seen, logits = judge.features(images), judge(images)
    real = moments(torch.rand(50, 4, generator=seeded(6)))
    found = judged(judge, real, images, y)
    assert found["accuracy"] == sum(int(a == b) for a, b in zip(logits.argmax(1), y, strict=True)) / 60
    assert found["diversity"] == diversity(seen, y)
    assert found["frechet"] == frechet_distance(seen, real)
    assert found["classes"] == pytest.approx([int((logits.argmax(1) == c).sum()) / 60 for c in range(10)])
    assert sum(found["classes"]) == pytest.approx(1)
