"""A small U-Net for images, and its twin: one encoder that never sees y, two decoders."""

import math
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cfgedu.edges import require_dtype, require_sizes, shape
from cfgedu.models.parts import Network, Preconditioning, zeroed
from cfgedu.protocol import where_labelled


def normalise(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(8, channels), channels)


class ResBlock(nn.Module):
    """h (B,C,H,W) -> (B,C',H,W): two convolutions and a shortcut; c scales and shifts the features between (FiLM)."""

    def __init__(self, before: int, after: int, condition: int):
        super().__init__()
        self.norm1, self.conv1 = normalise(before), nn.Conv2d(before, after, 3, padding=1)
        self.norm2, self.conv2 = normalise(after), zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.film = nn.Linear(condition, 2 * after)
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.film(F.silu(c))[:, :, None, None].chunk(2, dim=1)  # (B,C',1,1) each
        u = self.conv1(F.silu(self.norm1(h)))  # (B,C',H,W)
        u = self.conv2(F.silu(self.norm2(u) * (1 + scale) + shift))
        return self.shortcut(h) + u


class Attention(nn.Module):
    """Each pixel of h (B,C,H,W) looks at all the others; added to h."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm, self.qkv = normalise(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(h)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # (B,HW,C) each
        seen = F.scaled_dot_product_attention(q, k, v)
        return h + self.out(seen.transpose(1, 2).reshape(h.shape))  # (B,HW,C) -> (B,C,H,W)


class Encoder(nn.Module):
    """x (B,C,H,W) -> features of every level, finest first; each has half the height and width of the one before."""

    def __init__(self, channels: int, widths: list[int], condition: int):
        super().__init__()
        self.stem = nn.Conv2d(4 * channels, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(ResBlock(a, b, condition) for a, b in pairwise([widths[0], *widths]))

    def forward(self, x: Tensor, c: Tensor) -> list[Tensor]:
        if x.ndim != 4 or 4 * x.shape[1] != self.stem.in_channels:
            raise ValueError(f"x must have shape (B, {self.stem.in_channels // 4}, H, W), got {shape(x)}")
        require_dtype("x", x, self.stem.weight)
        across, down = padding(x.shape[-1], len(self.levels)), padding(x.shape[-2], len(self.levels))
        h = unshuffled(F.pad(x, across + down))  # (B,C,H,W) -> (B,4C,H'/2,W'/2): nothing is lost
        h = self.levels[0](self.stem(h), c)
        features = [h]
        for level in self.levels[1:]:
            h = level(F.avg_pool2d(h, 2), c)
            features.append(h)
        return features


class Decoder(nn.Module):
    """Features of every level -> v (B,C,H,W), from the coarsest level up; `Preconditioning` makes eps_hat of it."""

    def __init__(self, channels: int, widths: list[int], condition: int, attention: bool):
        super().__init__()
        low = widths[-1]
        self.enter, self.leave = ResBlock(low, low, condition), ResBlock(low, low, condition)
        self.attend = Attention(low) if attention else nn.Identity()
        self.levels = nn.ModuleList(ResBlock(b + a, a, condition) for a, b in pairwise(widths))
        self.norm, self.out = normalise(widths[0]), zeroed(nn.Conv2d(widths[0], 4 * channels, 3, padding=1))

    def forward(self, features: list[Tensor], c: Tensor, like: Tensor) -> Tensor:
        *skips, h = features
        h = self.leave(self.attend(self.enter(h, c)), c)
        for level, skip in zip(reversed(self.levels), reversed(skips)):
            h = level(torch.cat([F.interpolate(h, scale_factor=2.0), skip], dim=1), c)
        rest = shuffled(self.out(F.silu(self.norm(h))))  # (B,4C,H'/2,W'/2) -> (B,C,H',W')
        (left, _), (top, _) = (padding(n, len(skips) + 1) for n in (like.shape[-1], like.shape[-2]))
        return rest[..., top : top + like.shape[-2], left : left + like.shape[-1]]  # the frame is cut off again


def unshuffled(x: Tensor) -> Tensor:
    """(B,C,H,W) -> (B,4C,H/2,W/2): each 2x2 block of pixels as channels. (torch leaves an empty batch as it is.)"""
    B, C, H, W = x.shape
    return F.pixel_unshuffle(x, 2) if B else x.reshape(0, 4 * C, H // 2, W // 2)


def shuffled(h: Tensor) -> Tensor:
    """(B,4C,H,W) -> (B,C,2H,2W): the way back."""
    B, C, H, W = h.shape
    return F.pixel_shuffle(h, 2) if B else h.reshape(0, C // 4, 2 * H, 2 * W)


def padding(n: int, levels: int) -> tuple[int, int]:
    """Zeros to add before and after n pixels so that the stem and each level but the last can halve them: 28 -> 32."""
    missing = -n % 2**levels
    return missing // 2, missing - missing // 2


def level_widths(width: int, mults: Sequence[int]) -> list[int]:
    if not mults:
        raise ValueError(f"mults must hold one factor or more, one for each level, got {mults!r}")
    require_sizes(**{f"mults[{i}]": factor for i, factor in enumerate(mults)})
    return [width * factor for factor in mults]


class ImageNetwork(Network):
    """What the U-Net and its twin share: an encoder, the size of decoders for it, and the line that makes eps of v."""

    def __init__(self, K: int, T: int, channels: int, width: int, mults: Sequence[int], attention: bool):
        config = {"K": K, "T": T, "channels": channels, "width": width, "mults": list(mults), "attention": attention}
        condition = 2 * width
        super().__init__(condition, **config)
        widths = level_widths(width, mults)
        self.eps = Preconditioning(T)
        self.encoder = Encoder(channels, widths, condition)
        self.decoder_size = channels, widths, condition, attention


class UNet(ImageNetwork):
    """A small U-Net for images of `channels` x any height x any width (28x28 works as 32x32 inside, 8x8 as it is).

    A 2x2 pixel-unshuffle stem, one level for each factor in `mults` (width * factor channels), attention at the lowest
    level if asked for, and time + label by scale and shift in every block.
    """

    def __init__(self, K: int, T: int = 1000, channels: int = 1, width: int = 32, mults=(1, 2, 2), attention=False):
        super().__init__(K, T, channels, width, mults, attention)
        self.decoder = Decoder(*self.decoder_size)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        c = self.time(t) + self.label(y + 1)  # (B, condition)
        v = self.decoder(self.encoder(x, c), c, like=x)
        return self.eps(x, t, v)


class TwinUNet(ImageNetwork):
    """One encoder that never sees y, two decoders: eps_un and eps_cond from one pass. Arguments as for UNet."""

    def __init__(self, K: int, T: int = 1000, channels: int = 1, width: int = 32, mults=(1, 2, 2), attention=False):
        super().__init__(K, T, channels, width, mults, attention)
        self.decoder_un = Decoder(*self.decoder_size)
        self.decoder_cond = deepcopy(self.decoder_un)  # a copy: at first the label alone tells the two apart

    def pair(self, x: Tensor, t: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """(eps_un, eps_cond), each (B,C,H,W); eps_cond is eps_un where y is NULL."""
        c = self.time(t)  # (B, condition)
        features = self.encoder(x, c)
        v_un = self.decoder_un(features, c, like=x)
        v_cond = self.decoder_cond(features, c + self.label(y + 1), like=x)
        eps_un, eps_cond = self.eps(x, t, v_un), self.eps(x, t, v_cond)
        return eps_un, where_labelled(y, eps_cond, eps_un)

    def forward(self, x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """As a Denoiser: conditional where there is a label, unconditional where y is NULL."""
        return self.pair(x, t, y)[1]
