"""cfgedu: classifier-free guidance for diffusion models, small enough to read in an afternoon.

Every name is imported from its home, so that a reader sees where it lives:

    from cfgedu.samplers import ddim_step, sample

Read the modules in this order: protocol, schedule, guidance, samplers, losses, toy, models.
"""

__version__ = "0.1.0"
