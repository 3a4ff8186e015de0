"""More than one GPU: the training command under `torchrun`, which starts one process for each and gives it its rank.

    torchrun --nproc-per-node 4 -m cfgedu.training --data mnist --model unet

Every process draws its own batches and computes its own gradient; DistributedDataParallel averages the gradients, so
all take the same step and hold the same weights. A step then sees `batch` rows times the number of processes.
"""

import os
from collections.abc import Callable
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def processes(device: torch.device):
    """Under torchrun, join the other processes while the block runs; otherwise do nothing."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number; 0, the one that writes and prints, where there is only one."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class LossOf(nn.Module):
    """The loss as a module, so that its forward is what DistributedDataParallel wraps: a twin has two outputs."""

    def __init__(self, model: nn.Module, loss: Callable, generator: torch.Generator):
        super().__init__()
        self.model, self.loss, self.generator = model, loss, generator

    def forward(self, x0: Tensor, y: Tensor) -> Tensor:
        return self.loss(self.model, x0, y, self.generator)


def shared(model: nn.Module, loss: Callable, generator: torch.Generator) -> nn.Module:
    """(x0, y) -> loss, whose backward averages the gradients over all processes; all get the weights of rank 0."""
    step = LossOf(model, loss, generator)
    return DistributedDataParallel(step) if world() > 1 else step


def own_stream(generator: torch.Generator, step: int) -> None:
    """Each process but the first draws from a stream of its own, a new one where a run is resumed."""
    if rank():
        generator.manual_seed((generator.initial_seed() + 1_000_003 * rank() + step) % 2**63)
