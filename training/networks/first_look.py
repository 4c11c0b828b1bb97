"""Where cells of a desired image are seen, by the matcher's descriptors, and the pose by that: a first look."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks import plane_pose
from training.networks.cells import STRIDE
from training.networks.constants import add_constants
from training.networks.image_plane import ImagePlane
from training.networks.matcher import Matcher
from training.networks.plane_pose import Pose

TURNS = 8
_SIMILARITY = (0.5, 0.3, 0.15, 0.1)  # residuals that count for half, on the image plane z = 1, round by round
_TILT = 0.9  # rad; as askew as the fit begins
_BEST, _TWOS = 100, 200  # matches, and pairs of them
_ALIKE = 0.1  # distance on z = 1 at which a match that a pair explains counts for half


class Copies(NamedTuple):
    """Desired images as they look from a camera that is turned by multiples of 45 degrees.

    Attributes:
        descriptors: (B, 8, N, D), of the cells.
        matchability: (B, 8, N).
    """

    descriptors: Tensor
    matchability: Tensor


class FirstLook(nn.Module):
    """Finds desired images in others of the same camera, without weights of its own.

    Args:
        plane: of the camera.
        shrink: images are looked at in a size that is smaller by this.
        steps: residuals that count for half, on the image plane z = 1, one for each Gauss-Newton step.
        askew: whether the steps begin from poses tilted eight ways and by two matches as well; that which explains
            most is the pose.
    """

    def __init__(self, plane: ImagePlane, shrink: int, steps: tuple[float, ...], *, askew: bool) -> None:
        super().__init__()
        self.plane = plane
        self._shrink, self._steps, self._askew = shrink, steps, askew
        angles = torch.arange(TURNS) * (2 * math.pi / TURNS)
        cosine, sine = angles.cos(), angles.sin()
        middle = (plane.sides - 1) / 2
        turns = torch.eye(3).repeat(TURNS, 1, 1)
        turns[:, :2, :2] = torch.stack([cosine, -sine, sine, cosine], dim=1).reshape(TURNS, 2, 2)
        turns[:, :2, 2] = middle - turns[:, :2, :2] @ middle
        cells = plane.grid(shrink * STRIDE)
        turned = cells @ turns[:, :2, :2].transpose(1, 2) + turns[:, None, :2, 2]
        tilts = _TILT * torch.stack([cosine, sine, torch.zeros(TURNS)], dim=1)
        self._best = min(_BEST, len(cells))
        drawn = torch.randint(self._best, (_TWOS, 2), generator=torch.Generator().manual_seed(0))
        add_constants(
            self,
            turns=plane.matrix.inverse() @ turns @ plane.matrix,
            rays=plane.rays(cells),
            copy_rays=plane.rays(turned),
            copy_inside=plane.contains(turned, -0.5).float(),
            tilts=torch.cat([torch.zeros(1, 3), tilts]),
            twos=drawn,
        )

    def remember(self, matcher: Matcher, desired: Tensor) -> None:
        """Look at the desired image (1, 1, H, W), grey levels 0..255, for good."""
        copies = self._describe(matcher, desired)
        self.register_buffer('descriptors', copies.descriptors)
        self.register_buffer('matchability', copies.matchability)

    def forward(self, matcher: Matcher, images: Tensor, desired: Tensor | None, normal: Tensor) -> Pose:
        """Return the pose by the matches of the copy that matches most.

        Args:
            matcher: describes the images.
            images: (B, 1, H, W) grey levels 0..255.
            desired: the same of the desired camera; None for the one that is remembered.
            normal: of the plane.
        """
        copies = self._remembered() if desired is None else self._describe(matcher, desired)
        found = self._matches(matcher, self._shrunk(images), copies)
        cells = found.shape[2:]
        best = found.sum(dim=(2, 3)).argmax(dim=1)
        chosen = found.gather(1, best[:, None, None, None].expand(-1, 1, *cells))[:, 0]
        sharp = chosen.square()
        seen = sharp @ self.rays / (sharp.sum(dim=-1, keepdim=True) + 1e-9)
        weights = chosen.sum(dim=-1) * self.copy_inside[best]
        points = self.copy_rays[best]
        pose = plane_pose.similarity_pose(points, seen, weights, _SIMILARITY)
        if not self._askew:
            return plane_pose.fit_pose(pose, points, seen, weights, normal, self._steps)
        other = self._similarity_of_two(points, seen, weights, normal)
        pose = tuple(torch.stack(both, dim=1).flatten(0, 1) for both in zip(pose, other, strict=True))
        starts = len(self.tilts)
        pose = plane_pose.tilted(pose, _repeated(points, 2), _repeated(weights, 2), self.tilts)
        points, seen, weights = (_repeated(values, 2 * starts) for values in (points, seen, weights))
        pose = plane_pose.fit_pose(pose, points, seen, weights, normal, self._steps)
        explained = plane_pose.support(pose, points, seen, weights, normal, self._steps[-1])
        return _pick(pose, explained, 2 * starts)

    def _similarity_of_two(self, points: Tensor, seen: Tensor, weights: Tensor, normal: Tensor) -> Pose:
        """Return the pose, facing the plane, by the two of the best matches that explain most of all."""
        twos = weights.topk(self._best, dim=1).indices[:, self.twos].flatten(0, 1)
        which = twos[..., None].expand(-1, -1, 2)
        points, seen, weights = (_repeated(values, _TWOS) for values in (points, seen, weights))
        ends, ends_seen = points.gather(1, which), seen.gather(1, which)
        poses = plane_pose.similarity_pose(ends, ends_seen, torch.ones_like(ends[..., 0]), (1.0,))
        return _pick(poses, plane_pose.support(poses, points, seen, weights, normal, _ALIKE), _TWOS)

    def _remembered(self) -> Copies:
        return Copies(self.descriptors, self.matchability)

    def _describe(self, matcher: Matcher, desired: Tensor) -> Copies:
        count, _, height, width = desired.shape
        repeated = desired.expand(-1, TURNS, -1, -1).reshape(-1, 1, height, width)
        copies = self.plane.warped(repeated, self.turns.repeat(count, 1, 1))
        descriptors, matchability = matcher(self._shrunk(copies))
        cells, size = descriptors.shape[1:]
        return Copies(descriptors.reshape(-1, TURNS, cells, size), matchability.reshape(-1, TURNS, cells))

    def _matches(self, matcher: Matcher, images: Tensor, copies: Copies) -> Tensor:
        """Return the probabilities (B, 8, N, M) that cells of the copies are what those of the images see."""
        descriptors, matchability = matcher(images)
        temperature, dustbin = matcher.log_temperature.exp(), matcher.dustbin
        # No similarity is greater than the temperature; sums as products of matrices, which are much faster.
        alike = torch.exp(temperature * (copies.descriptors @ descriptors[:, None].transpose(-1, -2) - 1))
        here = torch.exp(dustbin - copies.matchability - temperature)[..., None]
        there = torch.exp(dustbin - matchability - temperature)[:, None, None]
        ones = torch.ones_like(descriptors[:1, None, :, :1])
        return alike / (alike @ ones + here) * (alike / (ones.transpose(-1, -2) @ alike + there))

    def _shrunk(self, images: Tensor) -> Tensor:
        return functional.avg_pool2d(images, self._shrink) if self._shrink > 1 else images


def _repeated(values: Tensor, times: int) -> Tensor:
    return values.repeat_interleave(times, dim=0)


def _pick(poses: Pose, values: Tensor, among: int) -> Pose:
    """Return of each run of `among` poses (B `among`, ...) that of the greatest value (B `among`,)."""
    greatest = values.reshape(-1, among).argmax(dim=1)
    which = greatest + among * torch.arange(greatest.shape[0], device=greatest.device)
    return poses[0][which], poses[1][which]
