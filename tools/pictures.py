"""`course.py pictures`: draws the moving picture of README anew, docs/digits.gif: digits while r goes from 0 to 8.

The shipped U-Net draws one of each class, and ten sevens below, with DDIM and from the same noise at every r.
"""

import argparse
import io
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image

from cfgedu.checkpoints import load_checkpoint
from cfgedu.files import write
from cfgedu.guidance import guided, null_pair
from cfgedu.plots import GUIDED, UN, style
from cfgedu.protocol import seeded
from cfgedu.samplers import ddim_step, sample

FILE = Path(__file__).resolve().parent.parent / "docs/digits.gif"
STEPS, DPI, SEED = 30, 80, 4
SCALES = [k / 8 for k in range(16)] + [2 + k / 4 for k in range(25)]  # more of them where more changes
STOPS = {  # what is said from these on; the film rests there
    0: "without the label: any digit",
    1: "with the label",
    3: "guided: clearer",
    8: "clearer still, and all alike",
}
FRAME, REST = 110, 1500  # milliseconds


@torch.no_grad()
def digits(scales=SCALES):
    """{r: pictures (20,28,28), the digits 0 to 9 and ten sevens}, all from one noise."""
    net, schedule, _ = load_checkpoint("mnist-unet")
    x_T = torch.randn(20, 1, 28, 28, generator=seeded(SEED))
    y = torch.cat([torch.arange(10), torch.full((10,), 7)])
    drawn = {r: sample(ddim_step, guided(null_pair(net), r), schedule, x_T, y, STEPS) for r in scales}
    return {r: x.clamp(-1, 1).squeeze(1) for r, x in drawn.items()}


def frame(r, pictures):
    """One frame as a picture: two rows of digits over a ruler of r."""
    figure = plt.figure(figsize=(10, 2.6), dpi=DPI, layout="none")
    for k, picture in enumerate(pictures):
        ax = figure.add_axes([0.005 + 0.099 * (k % 10), 0.64 - 0.37 * (k // 10), 0.094, 0.35])
        ax.imshow(-picture, cmap="gray", vmin=-1, vmax=1, interpolation="bilinear")
        ax.set_axis_off()
    ruler = figure.add_axes([0.14, 0.17, 0.82, 0.07])
    ruler.set(xlim=(-0.1, 8.1), ylim=(0, 1), xticks=range(9), yticks=[])
    ruler.tick_params(labelsize=11, length=4)
    ruler.spines[["left", "right", "top"]].set_visible(False)
    ruler.plot([0, r], [0.15, 0.15], color=UN, linewidth=3, clip_on=False)
    ruler.plot([r], [0.15], "o", color=GUIDED, markersize=10, clip_on=False)
    figure.text(0.01, 0.1, f"r = {r:.2f}", fontsize=15, color=GUIDED)
    said = [words for stop, words in STOPS.items() if stop <= r][-1]
    figure.text(0.55, 0.03, said, fontsize=12, color=GUIDED, ha="center")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return Image.open(file).convert("L")


def film(drawn):
    """The frames of {r: pictures} as the bytes of a GIF file that begins again after its last one."""
    frames = [frame(r, pictures).quantize(16) for r, pictures in drawn.items()]
    times = [REST if r in STOPS else FRAME for r in drawn]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    return file.getvalue()


def main():
    argparse.ArgumentParser(prog="course.py pictures", description=__doc__.splitlines()[0]).parse_args()
    style()
    torch.set_num_threads(1)
    data = film(digits())
    write(FILE, data)
    print(f"docs/{FILE.name}: {len(data) / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
