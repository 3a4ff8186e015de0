"""Small networks that predict eps from (x, t, y): a residual MLP and a U-Net, each also with twin heads.

All of them are Denoisers: (x (B,*D), t (B,) long in 1..T, y (B,) long in {NULL, 0..K-1}) -> eps_hat (B,*D). The label
y is embedded at row y + 1, so "no label" is row 0, learned like any other. A twin is a Pair too: `twin.pair(x, t, y)`
gives both predictions from one pass through a trunk that never sees y.

Values are checked where data enter (`sample`, a loss, `train`), never in a forward, which has no branch on data.
`config` holds the constructor's arguments, from which a checkpoint rebuilds the network.
"""

import math
from copy import deepcopy

import torch.nn.functional as F
from torch import Tensor, nn

from cfgedu.parts import TimeEmbedding, check_sizes, weights_from, zeroed
from cfgedu.protocol import where_labelled
from cfgedu.unet import TwinUNet, UNet

__all__ = ["MLP", "Judge", "TwinMLP", "TwinUNet", "UNet", "weights_from"]


class Blocks(nn.ModuleList):
    """h <- h + silu(W (h + c)), once a block: the condition c enters every one of them."""

    def __init__(self, depth: int, width: int):
        super().__init__(nn.Linear(width, width) for _ in range(depth))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        for layer in self:
            h = h + F.silu(layer(h + c))
        return h


class MLP(nn.Module):
    """The residual MLP of the course: x is flattened to `dim` numbers, so points and small images are alike to it.

    K classes, T noise levels, `depth` residual blocks of `width` units.
    """

    def __init__(self, K: int, T: int = 1000, dim: int = 2, width: int = 64, depth: int = 3):
        super().__init__()
        check_sizes(K=K, T=T, dim=dim, width=width, depth=depth)
        self.K, self.T, self.dim = K, T, dim
        self.config = {"K": K, "T": T, "dim": dim, "width": width, "depth": depth}
        self.time = TimeEmbedding(T, width, width)
        self.label = nn.Embedding(K + 1, width)
        self.inlet = nn.Linear(dim, width)
        self.blocks = Blocks(depth, width)
        self.outlet = zeroed(nn.Linear(width, dim))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        c = self.time(t) + self.label(y + 1)  # (B, width)
        h = self.inlet(flat(x, self.dim))  # (B,*D) -> (B, dim) -> (B, width)
        return self.outlet(self.blocks(h, c)).reshape(x.shape)  # (B, dim) -> (B,*D)


class TwinMLP(nn.Module):
    """One trunk, two heads: eps_un and eps_cond from one pass, with about 1.4 times the parameters of the MLP.

    Late fusion: the trunk (the first depth // 2 blocks) sees x and t alone, and y enters in the conditional head only.
    A trunk that saw y would make the "unconditional" head conditional, and the guidance vector would vanish.
    """

    def __init__(self, K: int, T: int = 1000, dim: int = 2, width: int = 64, depth: int = 3):
        super().__init__()
        check_sizes(K=K, T=T, dim=dim, width=width, depth=depth)
        self.K, self.T, self.dim = K, T, dim
        self.config = {"K": K, "T": T, "dim": dim, "width": width, "depth": depth}
        self.time = TimeEmbedding(T, width, width)
        self.label = nn.Embedding(K + 1, width)
        self.inlet = nn.Linear(dim, width)
        self.trunk = Blocks(depth // 2, width)
        self.head_un = Blocks(depth - depth // 2, width)
        self.head_cond = deepcopy(self.head_un)  # alike at the start, they err alike: in g the errors cancel
        self.outlet_un, self.outlet_cond = (zeroed(nn.Linear(width, dim)) for _ in range(2))

    def pair(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(eps_un, eps_cond), each (B,*D); eps_cond is eps_un where y is NULL."""
        c = self.time(t)  # (B, width)
        h = self.trunk(self.inlet(flat(x, self.dim)), c)  # (B,*D) -> (B, dim) -> (B, width)
        eps_un = self.outlet_un(self.head_un(h, c)).reshape(x.shape)  # (B, dim) -> (B,*D)
        eps_cond = self.outlet_cond(self.head_cond(h, c + self.label(y + 1))).reshape(x.shape)
        return eps_un, where_labelled(y, eps_cond, eps_un)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """As a Denoiser: conditional where there is a label, unconditional where y is NULL."""
        return self.pair(x, t, y)[1]


def flat(x: Tensor, dim: int) -> Tensor:
    """x (B,*D) -> (B, dim). Raises ValueError unless D holds `dim` numbers."""
    if math.prod(x.shape[1:]) != dim:  # a branch on the shape, not on data
        raise ValueError(f"x must have dim = {dim} numbers per row, got shape {tuple(x.shape)}")
    return x.flatten(1)


class Judge(nn.Module):
    """A small classifier of images (B,C,size,size) -> logits (B,K), with which generated images are judged.

    `features(x)` (B, features) is the layer before the logits. Its tanh keeps every feature in (-1, 1): images with
    too much contrast cannot inflate the spread or the Frechet distance that are measured on it.
    """

    def __init__(self, K: int = 10, channels: int = 1, size: int = 8, width: int = 32, features: int = 32):
        super().__init__()
        check_sizes(K=K, channels=channels, size=size, width=width, features=features)
        self.K = K
        self.config = {"K": K, "channels": channels, "size": size, "width": width, "features": features}
        layers = [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU()]
        while size > 4:  # 8 -> 4, or 28 -> 14 -> 7 -> 4
            layers += [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.SiLU()]
            size = (size + 1) // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * size**2, features), nn.Tanh())
        self.head = nn.Linear(features, K)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)  # (B,C,size,size) -> (B, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))  # (B, K)
