"""What the networks share: the time embedding, first weights, and the check of their sizes."""

from contextlib import contextmanager

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """t (B,) -> (B, out): sines and cosines of t / T at `width` / 2 frequencies from 1000 down to 0.1, then two layers.

    Time enters as t / T, so that networks for T = 50 and T = 1000 see the same range (DDPM, arXiv 2006.11239, app. B).
    """

    def __init__(self, T: int, width: int, out: int):
        super().__init__()
        frequency = 1000 * torch.logspace(0, -4, width // 2 + 1, dtype=torch.float64)[:-1]
        angle = torch.arange(T + 1, dtype=torch.float64)[:, None] / T * frequency  # (T+1, width / 2)
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)  # t is one of T integers, so its waves are a table
        self.register_buffer("waves", waves.to(torch.get_default_dtype()), persistent=False)
        self.layers = nn.Sequential(nn.Linear(width, out), nn.SiLU(), nn.Linear(out, out))

    def forward(self, t: Tensor) -> Tensor:
        return self.layers(self.waves[t])  # (B,) -> (B, width) -> (B, out)


def zeroed(layer: nn.Module) -> nn.Module:
    """A layer that starts at zero: at first a block is its shortcut, an MLP says eps_hat = 0, and a U-Net v = 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@contextmanager
def weights_from(generator: torch.Generator):
    """Networks built inside start from weights drawn from `generator`; torch's global generator is left as it was."""
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        yield


def check_sizes(**sizes) -> None:
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
    if sizes.get("width", 2) % 2:
        raise ValueError(f"width must be even (half sines, half cosines), got {sizes['width']}")
