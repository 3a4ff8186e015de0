"""The residual MLP of the course, for points and small images, and its twin."""

import math
from copy import deepcopy

import torch.nn.functional as F
from torch import Tensor, nn

from cfgedu.edges import require_dtype, shape
from cfgedu.models.parts import Network, zeroed
from cfgedu.protocol import where_labelled


class Blocks(nn.ModuleList):
    """h <- h + silu(W (h + c)), once a block: the condition c enters every one of them."""

    def __init__(self, depth: int, width: int):
        super().__init__(nn.Linear(width, width) for _ in range(depth))

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        for layer in self:
            h = h + F.silu(layer(h + c))
        return h


class MLP(Network):
    """The residual MLP of the course: x is flattened to `dim` numbers, so points and small images are alike to it.

    K classes, T noise levels, `depth` residual blocks of `width` units.
    """

    def __init__(self, K: int, T: int = 1000, dim: int = 2, width: int = 64, depth: int = 3):
        super().__init__(condition=width, K=K, T=T, dim=dim, width=width, depth=depth)
        self.dim, self.inlet = dim, nn.Linear(dim, width)
        self.blocks = Blocks(depth, width)
        self.outlet = zeroed(nn.Linear(width, dim))

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        c = self.time(t) + self.label(y + 1)  # (B, width)
        h = self.inlet(flat(x, self.inlet))  # (B,*D) -> (B, dim) -> (B, width)
        return self.outlet(self.blocks(h, c)).reshape(x.shape)  # (B, dim) -> (B,*D)


class TwinMLP(Network):
    """One trunk, two heads: eps_un and eps_cond from one pass, with about 1.4 times the parameters of the MLP.

    Late fusion: the trunk (the first depth // 2 blocks) sees x and t alone, and y enters in the conditional head only.
    A trunk that saw y would make the "unconditional" head conditional, and the guidance vector would vanish.
    """

    def __init__(self, K: int, T: int = 1000, dim: int = 2, width: int = 64, depth: int = 3):
        super().__init__(condition=width, K=K, T=T, dim=dim, width=width, depth=depth)
        self.dim, self.inlet = dim, nn.Linear(dim, width)
        self.trunk = Blocks(depth // 2, width)
        self.head_un = Blocks(depth - depth // 2, width)
        self.head_cond = deepcopy(self.head_un)  # a copy: at first the label alone tells the two apart
        self.outlet_un, self.outlet_cond = (zeroed(nn.Linear(width, dim)) for _ in range(2))

    def pair(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(eps_un, eps_cond), each (B,*D); eps_cond is eps_un where y is NULL."""
        c = self.time(t)  # (B, width)
        h = self.trunk(self.inlet(flat(x, self.inlet)), c)  # (B,*D) -> (B, dim) -> (B, width)
        eps_un = self.outlet_un(self.head_un(h, c)).reshape(x.shape)  # (B, dim) -> (B,*D)
        eps_cond = self.outlet_cond(self.head_cond(h, c + self.label(y + 1))).reshape(x.shape)
        return eps_un, where_labelled(y, eps_cond, eps_un)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """As a Denoiser: conditional where there is a label, unconditional where y is NULL."""
        return self.pair(x, t, y)[1]


def flat(x: Tensor, inlet: nn.Linear) -> Tensor:
    """x (B,*D) -> (B, dim). Raises ValueError unless D holds `dim` numbers, TypeError for a dtype not the net's."""
    if math.prod(x.shape[1:]) != inlet.in_features:  # a branch on the shape, not on data
        raise ValueError(f"x must have dim = {inlet.in_features} numbers per row, got shape {shape(x)}")
    require_dtype("x", x, inlet.weight)
    return x.flatten(1)
