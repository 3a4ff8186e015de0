"""Pictures of images, and of a loss."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from torch import Tensor

from cfgedu.plots.look import GUIDED


def tiles(x: Tensor, columns: int, gap: int = 1) -> Tensor:
    """Images x (N,1,H,W) in [-1, 1], clipped to it, on one white sheet (height, width), `columns` to a row."""
    x = x.detach().cpu().clamp(-1, 1)
    N, _, H, W = x.shape
    rows = -(-N // columns)
    sheet = torch.ones(rows * (H + gap) - gap, columns * (W + gap) - gap)
    for i in range(N):
        top, left = i // columns * (H + gap), i % columns * (W + gap)
        sheet[top : top + H, left : left + W] = x[i, 0]
    return sheet


def images(
    ax: Axes, x: Tensor, columns: int, column_labels: Sequence[str] = (), row_labels: Sequence[str] = (), gap: int = 1
) -> Axes:
    """Grey images x (N,1,H,W) in [-1, 1], tiled row by row, `columns` to a row."""
    ax.imshow(tiles(x, columns, gap).numpy(), cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    H, W = x.shape[-2:]
    ax.set_xticks([j * (W + gap) + (W - 1) / 2 for j in range(len(column_labels))], column_labels)
    ax.set_yticks([i * (H + gap) + (H - 1) / 2 for i in range(len(row_labels))], row_labels)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def enlarged(x: Tensor, factor: int = 6) -> Tensor:
    """Images x (N,1,H,W), clipped to [-1, 1], `factor` times as large, with smooth (bicubic) values between the pixels.

    For the eye alone: it sees strokes where it saw the edges of squares. Draw them with gap=factor.
    """
    x = x.detach().cpu().clamp(-1, 1)
    return F.interpolate(x, scale_factor=factor, mode="bicubic").clamp(-1, 1)  # bicubic values can overshoot


def loss_curve(
    ax: Axes,
    losses: Sequence[float],
    floor: float | None = None,
    window: int = 50,
    label: str = "loss",
    color: str | None = None,
) -> Axes:
    """The loss of every step, its running mean over `window` steps, and the irreducible floor."""
    losses = np.asarray(losses.cpu() if isinstance(losses, Tensor) else losses, dtype=float)
    window = min(window, len(losses))
    mean = np.convolve(losses, np.ones(window) / window, mode="valid")
    (line,) = ax.plot(np.arange(window - 1, len(losses)), mean, label=label, color=color, zorder=3)
    ax.plot(losses, color=line.get_color(), alpha=0.15, linewidth=0.8)
    if floor is not None:
        ax.axhline(floor, color=GUIDED, linestyle="--", linewidth=1.2, label=f"floor {floor:.3f}")
    ax.set(xlabel="training step", ylabel="loss", ylim=(0, float(np.quantile(losses, 0.99)) * 1.2))
    ax.legend()
    return ax
