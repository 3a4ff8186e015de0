"""A small classifier, with which generated images are judged."""

from torch import Tensor, nn

from cfgedu.edges import require_dtype, require_sizes


class Judge(nn.Module):
    """A small classifier of images (B,C,size,size) -> logits (B,K), with which generated images are judged.

    `features(x)` (B, features) is the layer before the logits. Its tanh keeps every feature in (-1, 1): images with
    too much contrast cannot inflate the spread or the Frechet distance that are measured on it.
    """

    def __init__(self, K: int = 10, channels: int = 1, size: int = 8, width: int = 32, features: int = 32):
        super().__init__()
        require_sizes(K=K, channels=channels, size=size, width=width, features=features)
        self.K = K
        self.config = {"K": K, "channels": channels, "size": size, "width": width, "features": features}
        layers = [nn.Conv2d(channels, width, 3, padding=1), nn.SiLU()]
        while size > 4:  # 8 -> 4, or 28 -> 14 -> 7 -> 4
            layers += [nn.Conv2d(width, width, 3, stride=2, padding=1), nn.SiLU()]
            size = (size + 1) // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * size**2, features), nn.Tanh())
        self.head = nn.Linear(features, K)

    def features(self, x: Tensor) -> Tensor:
        require_dtype("x", x, self.head.weight)
        return self.body(x)  # (B,C,size,size) -> (B, features)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))  # (B, K)
