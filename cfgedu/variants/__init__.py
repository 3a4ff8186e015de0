"""What came after plain classifier-free guidance: rules and wrappers around a Pair, a Denoiser or a scale r(t),

and samplers of the tilted density. Each has its formula, its source and the setting at which it is plain guidance
again. No sampler knows of any of the wrappers.
"""

from cfgedu.variants.baselines import classifier_guided, feedback, rejection, resampled
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
    "classifier_guided",
    "dynamic_threshold",
    "feedback",
    "magnitude_aware",
    "project",
    "projected",
    "rejection",
    "resampled",
    "rescale",
    "rescaled",
    "zero_star",
]
