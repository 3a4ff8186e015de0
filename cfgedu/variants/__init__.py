"""What came after plain classifier-free guidance: wrappers of a Pair or a Denoiser, and samplers of the tilted density.

Formula, source and limiting case stand in each docstring.
"""

from cfgedu.variants.baselines import classifier_guided, feedback, rejection, resampled

__all__ = ["classifier_guided", "feedback", "rejection", "resampled"]
