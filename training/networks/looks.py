"""Looks at an image until the pose that they give changes no more: a loop that ONNX has too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Seen = tuple[Tensor, Tensor, Tensor, Tensor]

_MOST = 30  # looks after the first; of views turned by 50 degrees some take 26
_SETTLED = 2e-4  # depths and radians; a look that changes the pose by less is the last (0.05 mm at 25 cm)


class Looks(nn.Module):
    """Image(s) to pose vectors (B, 6), by three modules.

    Attributes:
        first: an image to (image, features, rotation, translation).
        following: these to a better (rotation, translation).
        last: (rotation, translation) to the pose vector.
    """

    def __init__(self, first: nn.Module, following: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first, self.following, self.last = first, following, last
        self.most, self.settled = _MOST, _SETTLED  # a script sees no globals

    def forward(self, images: Tensor) -> Tensor:
        """Look until every pose of the batch has settled."""
        image, features, rotation, translation = self.first(images)
        count, moves = 0, True
        while moves and count < self.most:
            turned, moved = self.following(image, features, rotation, translation)
            change = torch.max((turned - rotation).abs().max(), (moved - translation).abs().max())
            rotation, translation = turned, moved
            count, moves = count + 1, bool(change > self.settled)
        return self.last(rotation, translation)

    def scripted(self, images: Tensor) -> nn.Module:
        """Return a script: the parts as traced on `images`, the loop as a loop."""
        with torch.no_grad():
            seen = self.first(images)
            parts = ((self.first, (images,)), (self.following, seen), (self.last, seen[2:]))
            traced = (torch.jit.trace(part, given, check_trace=False) for part, given in parts)
            return torch.jit.script(Looks(*traced))
