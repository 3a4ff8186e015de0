"""A judge of images: the classifier that says what generated images look like."""

import torch.nn.functional as F
from torch import Generator, Tensor

from cfgedu.edges import require_classes
from cfgedu.models import Judge, weights_from
from cfgedu.protocol import noise_like
from cfgedu.training.loop import batches, train


def train_judge(x: Tensor, y: Tensor, generator: Generator, steps: int = 600, K: int = 10) -> Judge:
    """A Judge of images x (N,C,H,H), trained on them with noise of std 0.3 added, in eval mode.

    The noise keeps it from judging by single pixels, in which a generated image always differs from a real one.
    """
    data = batches(x, y)
    require_classes("y", y, len(x), K)
    with weights_from(generator):
        judge = Judge(K, channels=x.shape[1], size=x.shape[2])

    def loss(judge, x, y, generator):
        return F.cross_entropy(judge(x + 0.3 * noise_like(x, generator)), y)

    train(judge, loss, data, steps, lr=2e-3, generator=generator)
    return judge.eval()
