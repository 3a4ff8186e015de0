"""Small networks that predict eps from (x, t, y): a residual MLP and a U-Net, each also with twin heads; and a judge.

All but the judge are Denoisers: (x (B,*D), t (B,) long in 1..T, y (B,) long in {NULL, 0..K-1}) -> eps_hat (B,*D). The
label y is embedded at row y + 1, so "no label" is row 0, learned like any other. A twin is a Pair too: `twin.pair(x, t,
y)` gives both predictions from one pass through a trunk that never sees y.

Values are checked where data enter (`sample`, a loss, `train`), never in a forward, which has no branch on data.
`config` holds the constructor's arguments, from which a checkpoint rebuilds the network.
"""

from cfgedu.models.judge import Judge
from cfgedu.models.mlp import MLP, Blocks, TwinMLP
from cfgedu.models.parts import NULLS, Preconditioning, weights_from, with_null
from cfgedu.models.unet import TwinUNet, UNet

__all__ = [
    "MLP",
    "NULLS",
    "Blocks",
    "Judge",
    "Preconditioning",
    "TwinMLP",
    "TwinUNet",
    "UNet",
    "weights_from",
    "with_null",
]
