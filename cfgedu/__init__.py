"""cfgedu: classifier-free guidance for diffusion models, to read and to learn from.

The method is eleven files of 720 lines of code at most, small enough for an afternoon, in this order:

    protocol, schedule, guidance, samplers, losses, toy, models (its list of names, parts, mlp, unet, judge)

Around it stands what a course needs, some 9,000 lines: the exercises (nearly half of it), the interactive demos,
training, the checks of arguments (edges), files, images, checkpoints, metrics and pictures. None of it is needed to
understand the method. Every name is imported from its home, so that a reader sees where it lives:

    from cfgedu.samplers import ddim_step, sample
"""

__version__ = "1.0.0"
