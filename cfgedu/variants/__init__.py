"""What came after plain classifier-free guidance: rules and wrappers around a Pair, a Denoiser or a scale r(t).

Each has its formula, its source and the setting at which it is plain guidance again. No sampler knows of any of them.
"""

from cfgedu.variants.repairs import (
    cfgpp_scale,
    dynamic_threshold,
    magnitude_aware,
    project,
    projected,
    rescale,
    rescaled,
    zero_star,
)

__all__ = [
    "cfgpp_scale",
    "dynamic_threshold",
    "magnitude_aware",
    "project",
    "projected",
    "rescale",
    "rescaled",
    "zero_star",
]
