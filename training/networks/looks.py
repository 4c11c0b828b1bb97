"""Looks at an image until the pose that they give changes no more: a loop that ONNX has too."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOST_DOUBT = 0.0
"""The doubt up to which a pose is believed, whose cells deviate by a pixel then.

Of views that are covered in part and lit otherwise it is below -0.6 with the shipped pairs, and below 0 with a
scene's own regressor; of images of something else above 1.2."""

Seen = tuple[Tensor, Tensor, Tensor, Tensor]

_MOST = 60  # looks after a first one; of views turned by 50 degrees some take 45
_TRIAL = 8  # after which a pose that is in doubt is given up
_SETTLED = 2e-4  # depths and radians; a look that changes the pose by less is the last (0.05 mm at 25 cm)
_SURE = -0.8  # the doubt of the shipped pairs about right, bare views is below -1, about wrong ones above -0.9
_HOPELESS = 0.9  # of 800 first looks at 100 images none that led to the right pose was in such doubt after a trial


class Looks(nn.Module):
    """Image(s) to pose vectors (B, 6) and the doubt (B,) about them, by four modules.

    Attributes:
        first: an image to (image, features, rotation, translation).
        following: these to a better (rotation, translation), and the doubt (B,) about the pose given.
        closer: an image to another (rotation, translation) to begin from, where the first led to none.
        last: (rotation, translation) to the pose vector.
    """

    def __init__(self, first: nn.Module, following: nn.Module, closer: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.first, self.following, self.closer, self.last = first, following, closer, last
        # A script sees no globals.
        self.most, self.trial, self.settled = _MOST, _TRIAL, _SETTLED
        self.sure, self.hopeless = _SURE, _HOPELESS

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Look until the poses have settled, and from the beginning again where one is in doubt."""
        image, features, rotation, translation = self.first(images)
        rotation, translation, doubt = self._settle(image, features, rotation, translation, self.sure)
        if bool(doubt.max() > self.sure):
            turned, moved = self.closer(images)
            turned, moved, left = self._settle(image, features, turned, moved, self.hopeless)
            better = ((doubt > self.sure) & (left < doubt))[:, None]
            translation = torch.where(better, moved, translation)
            rotation = torch.where(better[:, :, None], turned, rotation)
            doubt = torch.where(better[:, 0], left, doubt)
        return self.last(rotation, translation), doubt

    def scripted(self, images: Tensor) -> nn.Module:
        """Return a script: the parts as traced on `images`, the loop as a loop."""
        with torch.no_grad():
            seen = self.first(images)
            parts = (
                (self.first, (images,)),
                (self.following, seen),
                (self.closer, (images,)),
                (self.last, seen[2:]),
            )
            traced = (torch.jit.trace(part, given, check_trace=False) for part, given in parts)
            return torch.jit.script(Looks(*traced))

    def _settle(
        self, image: Tensor, features: Tensor, rotation: Tensor, translation: Tensor, limit: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Look until the poses settle, or after a trial are in a doubt over `limit`; return them and the doubt."""
        count, goes_on = 0, True
        doubt = torch.zeros_like(translation[:, 0])
        while goes_on:
            turned, moved, doubt = self.following(image, features, rotation, translation)
            change = torch.max((turned - rotation).abs().amax(dim=(1, 2)), (moved - translation).abs().amax(dim=1))
            rotation, translation = turned, moved
            count += 1
            goes_on = count < self.most
            if goes_on:
                stays = (doubt < limit) | (count < self.trial)
                goes_on = bool(((change > self.settled) & stays).any())
        return rotation, translation, doubt
