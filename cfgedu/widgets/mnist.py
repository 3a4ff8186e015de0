"""The MNIST lab of notebook 12: the digits lab at 28x28 pixels, with the U-Net, its twin and the judge."""

from functools import cache

from cfgedu.checkpoints import load_checkpoint
from cfgedu.models import Judge, TwinUNet
from cfgedu.protocol import Denoiser
from cfgedu.schedule import Schedule
from cfgedu.widgets.digits import ALT, PRESETS, SIZE, digits_lab_scene, lab_controls
from cfgedu.widgets.live import LiveFigure, bound, choice

PIXELS = 28


@cache
def shipped() -> dict:
    """The networks that come with the course."""
    net, schedule, _ = load_checkpoint("mnist-unet")
    judge, twin = (load_checkpoint(name)[0] for name in ("mnist-judge", "mnist-twin-unet"))
    return {"net": net, "judge": judge, "schedule": schedule, "twin": twin}


def mnist_lab_scene(
    figure,
    net: Denoiser | None = None,
    judge: Judge | None = None,
    schedule: Schedule | None = None,
    twin: TwinUNet | None = None,
):
    """The scene: `digits_lab_scene` of these networks, or, without any, of those that come with the course.

    Raises TypeError where only some of net, judge and schedule are given, or a twin without them.
    """
    given = {"net": net, "judge": judge, "schedule": schedule, "twin": twin}
    if any(it is not None for it in given.values()):
        if missing := [name for name in ("net", "judge", "schedule") if given[name] is None]:
            raise TypeError(f"net, judge and schedule go together, got no {', '.join(missing)}")
    else:
        given = shipped()
    return digits_lab_scene(figure, size=PIXELS, **given)


def mnist_lab_demo(
    net: Denoiser | None = None,
    judge: Judge | None = None,
    schedule: Schedule | None = None,
    twin: TwinUNet | None = None,
) -> LiveFigure:
    """The demo. A frame is too slow to follow a slider: it comes on release, after few steps."""
    controls = lab_controls(judge.K if judge else 10, steps=8, continuous_update=False)
    presets = dict(PRESETS)
    if twin or not net:
        controls["network"] = choice("network", [("one, asked twice", "one"), ("twin", "twin")], "one")
        presets["twin"] = {"network": "twin"}
    scene = bound(mnist_lab_scene, net=net, judge=judge, schedule=schedule, twin=twin)
    return LiveFigure(scene, controls, size=SIZE, alt=ALT, presets=presets)
