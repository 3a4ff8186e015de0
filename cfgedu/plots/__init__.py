"""Pictures in one style: functions that take an Axes, draw on it and return it. Nothing here calls plt.show().

Numbers side by side are a picture too: `table` prints them.

The palette is Okabe and Ito's, which colour-blind readers can tell apart. Colours mean the same thing everywhere:
one for each class, grey for the unconditional prediction, purple for guidance, black for the guided result.
"""

from cfgedu.plots.look import (
    CLASSES,
    GUIDED,
    LIM,
    STYLE,
    UN,
    G,
    cell,
    class_map,
    color,
    logit_axis,
    root_axis,
    settle,
    style,
    table,
)
from cfgedu.plots.pictures import enlarged, images, loss_curve, tiles
from cfgedu.plots.sketches import arrow_sum, pair_sketch, rotation
from cfgedu.plots.world import arrows, class_legend, cloud, density, field, grid, paths, plane, posterior, strip

__all__ = [
    "CLASSES",
    "GUIDED",
    "LIM",
    "STYLE",
    "UN",
    "G",
    "arrow_sum",
    "arrows",
    "cell",
    "class_legend",
    "class_map",
    "cloud",
    "color",
    "density",
    "enlarged",
    "field",
    "grid",
    "images",
    "logit_axis",
    "loss_curve",
    "pair_sketch",
    "paths",
    "plane",
    "posterior",
    "root_axis",
    "rotation",
    "settle",
    "strip",
    "style",
    "table",
    "tiles",
]
