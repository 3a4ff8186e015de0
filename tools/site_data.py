"""What the page's demos need from Python: their controls, described once, in the demos themselves."""

import importlib
import inspect
import json
from pathlib import Path

import ipywidgets as widgets

from cfgedu.widgets.live import LiveFigure

DEMOS = {  # the demos whose scenes are ported, in the order of the notebooks
    "scales": "cfgedu.widgets.scales",
    "noise_explorer": "cfgedu.widgets.noise",
    "score_explorer": "cfgedu.widgets.score",
    "loss_explorer": "cfgedu.widgets.loss_floors",
    "trajectory_player": "cfgedu.widgets.trajectories",
    "score_mixer": "cfgedu.widgets.mixing",
    "guidance_vector": "cfgedu.widgets.guidance_vector",
    "tilted_against_guided": "cfgedu.widgets.tilted",
    "sampling_lab": "cfgedu.widgets.lab",
    "contested_mode": "cfgedu.widgets.contested",
    "two_attributes": "cfgedu.widgets.attributes",
}
PARTS = ("random", "world", "sampling", "metrics", "variants", "format", "stage", "contour", "draw")
SCRIPTS = [f"site/js/{part}.js" for part in PARTS] + [f"site/js/scenes/{name}.js" for name in DEMOS]
