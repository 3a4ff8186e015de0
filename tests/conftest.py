"""What all tests share."""

import signal

import matplotlib
import torch
from hypothesis import settings

matplotlib.use("Agg")  # not through the environment, which the notebooks' kernels would inherit

# Small tensors want one thread: beside another job, two can be many times slower than one.
torch.set_num_threads(1)

# A job in the background of a script starts with Ctrl-C ignored, and the tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples on every machine, and no deadline: a laptop under load is slow, not wrong.
settings.register_profile("course", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("course")
