"""What the networks share: labels and time, the parametrisation of the U-Nets, and first weights."""

from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from cfgedu.edges import require_choice, require_sizes
from cfgedu.protocol import CPU64

NULLS = ("learned row", "zeros", "mean of class rows")  # what "no label" may be made of


class Network(nn.Module):
    """What every network that predicts has: K, T, its constructor's arguments in `config`, and t and y embedded.

    The label y is at row y + 1 of `label`, so that NULL, no label, is row 0. Both embeddings have `condition` numbers.
    """

    def __init__(self, condition: int, **config):
        super().__init__()
        require_sizes(**{name: size for name, size in config.items() if name not in ("mults", "attention")})
        self.K, self.T, self.config = config["K"], config["T"], config
        self.time = TimeEmbedding(self.T, config["width"], condition)
        self.label = nn.Embedding(self.K + 1, condition)


class TimeEmbedding(nn.Module):
    """t (B,) -> (B, out): sines and cosines of t / T at `width` / 2 frequencies from 1000 down to 0.1, then two layers.

    Time enters as t / T, so that networks for T = 50 and T = 1000 see the same range (DDPM, arXiv 2006.11239, app. B).
    """

    def __init__(self, T: int, width: int, out: int):
        super().__init__()
        frequency = 1000 * torch.logspace(0, -4, width // 2 + 1, **CPU64)[:-1]
        angle = torch.arange(T + 1, **CPU64)[:, None] / T * frequency  # (T+1, width / 2)
        waves = torch.cat([angle.sin(), angle.cos()], dim=1)  # t is one of T integers, so its waves are a table
        waves = waves.to(torch.get_default_dtype()).to(torch.get_default_device())
        self.register_buffer("waves", waves, persistent=False)
        self.layers = nn.Sequential(nn.Linear(width, out), nn.SiLU(), nn.Linear(out, out))

    def forward(self, t: Tensor) -> Tensor:
        return self.layers(self.waves[t])  # (B,) -> (B, width) -> (B, out)


class Preconditioning(nn.Module):
    """eps_hat = sqrt(1 - a) x + sqrt(a) v,      a = exp(-0.1 u - 9.95 u^2),      u = t / T

    The line that makes eps of what a U-Net says, outside of its layers, as EDM2 keeps it (c_skip = sqrt(1 - a), c_out =
    sqrt(a); Karras et al., arXiv 2206.00364, eq. 7). It holds no weights. At large t, eps is x but for a little, and
    this little is all that is known of the image: layers that gave eps themselves would lose it in copying x. v has
    size 1 at every t (Salimans & Ho, arXiv 2202.00512, app. D).

    A network knows no schedule: a is near alpha_bar of linear(1000) and of every n-th level of it (Song et al., arXiv
    2011.13456, eq. 33). Under cosine() v may be up to 9 in size; a table that stops short of noise, as linear(50) does,
    asks too much of v.
    """

    def __init__(self, T: int):
        super().__init__()
        self.T = T

    def forward(self, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        u = t.to(torch.promote_types(x.dtype, torch.float32)) / self.T  # half precision cannot hold t itself
        log_a = (-0.1 * u - 9.95 * u**2).reshape(-1, *[1] * (x.ndim - 1))  # (B,1,..,1)
        noise_level, signal = (-torch.expm1(log_a)).sqrt(), (log_a / 2).exp()  # exact also where a is almost 1
        return noise_level.to(x) * x + signal.to(x) * v


def zeroed(layer: nn.Module) -> nn.Module:
    """A layer that starts at zero: at first a block is its shortcut, an MLP says eps_hat = 0, and a U-Net v = 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


@contextmanager
def weights_from(generator: torch.Generator):
    """Networks built inside start from weights drawn from `generator`; torch's global generators are left as they were.

    They are drawn on torch's default device: the same seed gives the same weights on one kind of device.
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    kind = torch.get_default_device().type
    seeds_apart = kind not in ("cpu", "meta")  # meta tensors hold no numbers
    devices = range(torch.get_device_module(kind).device_count()) if seeds_apart else []
    with torch.random.fork_rng(devices, device_type=kind if seeds_apart else "cuda"):
        torch.random.default_generator.manual_seed(seed)
        if seeds_apart:
            torch.get_device_module(kind).manual_seed_all(seed)
        yield


def with_null(net: nn.Module, null: str) -> nn.Module:
    """A copy of a network with one of NULLS in row 0 of its label embedding; "learned row" keeps its own.

    Raises ValueError for another null.
    """
    require_choice("null", null, NULLS)
    net = deepcopy(net)
    rows = net.label.weight.data
    if null == "zeros":
        rows[0] = 0
    elif null == "mean of class rows":
        rows[0] = rows[1:].mean(0)
    return net
