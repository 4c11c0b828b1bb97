"""A regressor with geometry inside: where the desired image's cells are seen, then least squares for the pose.

First look: the matcher's descriptors of the image at half its size against those of the desired image, turned
eight ways. Next looks: the image, warped by the pose so far, against the desired one; a network says how far off
each cell is, and how sure it is of that. Each look ends in the pose that fits its cells; the last is the one that
changes it no more. Where an image shows no more than an edge of the desired one, the first look takes a turn for a
sideways motion, or finds little; each next look takes some ten degrees off the turn. Where the cells stay unsure
even so, a closer first look begins anew: at the image in its whole size, and from tilted poses too.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from cnn_vs_ros.resources import resource_path
from training.errors import TrainingError
from training.networks import plane_pose
from training.networks.architectures import PAIRS, SHIPPED
from training.networks.cells import STRIDE
from training.networks.constants import add_constants
from training.networks.displacements import REACH, UNSURE, Displacements
from training.networks.first_look import FirstLook
from training.networks.image_plane import ImagePlane
from training.networks.looks import Looks, Seen
from training.networks.matcher import Matcher
from training.networks.onnx_weights import read_folded, read_matcher
from training.networks.plane_pose import Pose
from training.networks.site import Site

_FIRST_STEPS = (0.1, 0.07, 0.05, 0.04)  # residuals that count for half, on the image plane z = 1
_CLOSER_STEPS = (0.06,) * 4 + (0.03,) * 4 + (0.02,) * 4
_NEXT_STEPS = (9.0, 3.0)  # the same, in a cell's own deviations
_EDGE = 4  # px; a cell whose centre is nearer to the image's edge is not seen whole
_UNSEEN = 10.0  # cells that know nothing, and count in the doubt about a pose
_MOST_OFF, _LEAST_OFF = 0.05, 0.001  # of the poses that training looks from: depths and radians


class GeometricNetwork(nn.Module):
    """Locates a camera over a plane whose image from the desired pose it was shown; sides are multiples of 16."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.matcher = Matcher().requires_grad_(False)
        self.displacements = Displacements()
        self.plane = ImagePlane(site.width, site.height, site.intrinsics)
        self.first = FirstLook(self.plane, 2, _FIRST_STEPS, askew=False)
        self.closer = FirstLook(self.plane, 1, _CLOSER_STEPS, askew=True)
        self.register_buffer('scale', torch.tensor(site.scale, dtype=torch.float32))
        add_constants(
            self,
            units=torch.tensor([site.depth] * 3 + [1.0] * 3),
            normal=torch.tensor(site.normal),
            cell_rays=self.plane.rays(self.plane.grid(STRIDE)),
        )

    def train(self, mode: bool = True) -> GeometricNetwork:
        """Set the mode; the matcher stays as it is."""
        super().train(mode)
        self.matcher.eval()
        return self

    def split(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the current and the desired images (B, 1, H, W) of an input; None for what is remembered."""
        raise NotImplementedError

    def features_of(self, desired: Tensor | None) -> Tensor:
        """Return the features (B or 1, C, H/4, W/4) of desired images."""
        raise NotImplementedError

    def regress(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return [t; theta u] (B, 6) of ``desired_T_current`` and the doubt (B,) about it."""
        return self.looks()(images)

    def looks(self) -> Looks:
        """Return what regresses."""
        return Looks(_First(self), _Next(self), _Closer(self), _Last(self))

    def scripted(self, examples: Tensor) -> nn.Module:
        """Return the network, whose looks end early, as a script that torch's exporter takes."""
        return self.looks().scripted(examples)

    def displacement_loss(self, image: Tensor, features: Tensor, poses: Tensor) -> Tensor:
        """Return the negative log likelihood (Laplace) of the cells' displacements, from poses near the true ones.

        Args:
            image: (B, 1, H, W) grey levels 0..255.
            features: (B or 1, C, H/4, W/4) of the desired images.
            poses: (B, 6), the true [t; theta u] of ``desired_T_current`` in depths and radians.
        """
        true = plane_pose.pose_of_vector(poses)
        warp = plane_pose.homography(_near(true), self.normal)
        shift, log_deviation, inside = self._displaced(image, features, warp)
        seen, depth = plane_pose.transfer(plane_pose.homography(true, self.normal), self.cell_rays[None])
        back, _ = plane_pose.transfer(plane_pose.inverse(warp), seen)
        wanted = (back - self.cell_rays) * self.plane.focal
        counts = inside * (wanted.abs() < REACH).all(dim=-1) * (depth > 0)
        misses = (shift - wanted).abs().sum(dim=-1)
        return (counts * (misses / log_deviation.exp() + 2 * log_deviation)).sum() / counts.sum().clamp(min=1)

    def next_look(self, image: Tensor, features: Tensor, pose: Pose) -> tuple[Pose, Tensor]:
        """Return the pose by where the cells of the image, warped by `pose`, are seen, and the doubt about `pose`.

        The doubt (B,) is the mean logarithm of the deviations of the cells in the image, in pixels.
        """
        warp = plane_pose.homography(pose, self.normal)
        shift, log_deviation, inside = self._displaced(image, features, warp)
        seen, _ = plane_pose.transfer(warp, self.cell_rays + shift / self.plane.focal)
        deviation = log_deviation.exp()
        scales = tuple(scale * deviation / self.plane.focal[0] for scale in _NEXT_STEPS)
        weights = inside / deviation.square()
        found = plane_pose.fit_pose(pose, self.cell_rays[None], seen, weights, self.normal, scales)
        doubt = ((inside * log_deviation).sum(dim=1) + _UNSEEN * UNSURE) / (inside.sum(dim=1) + _UNSEEN)
        return found, doubt

    def _displaced(self, image: Tensor, features: Tensor, warp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return displacements (B, N, 2) px, log deviations (B, N), whether cells are in the image (B, N)."""
        warped = self.plane.warped(image, warp)
        shift, log_deviation = self.displacements(features, self.displacements.features(warped))
        centres, depth = plane_pose.transfer(warp, self.cell_rays[None])
        inside = self.plane.contains(self.plane.pixels(centres), _EDGE) & (depth > 0)
        return shift, log_deviation, inside.float()


class _Part(nn.Module):
    """A part of the looks of a network."""

    def __init__(self, network: GeometricNetwork) -> None:
        super().__init__()
        self.network = network


class _First(_Part):
    def forward(self, images: Tensor) -> Seen:
        network = self.network
        image, desired = network.split(images)
        pose = network.first(network.matcher, image, desired, network.normal)
        return image, network.features_of(desired), *pose


class _Next(_Part):
    def forward(
        self, image: Tensor, features: Tensor, rotation: Tensor, translation: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        pose, doubt = self.network.next_look(image, features, (rotation, translation))
        return *pose, doubt


class _Closer(_Part):
    def forward(self, images: Tensor) -> Pose:
        network = self.network
        image, desired = network.split(images)
        return network.closer(network.matcher, image, desired, network.normal)


class _Last(_Part):
    def forward(self, rotation: Tensor, translation: Tensor) -> Tensor:
        return plane_pose.pose_vector((rotation, translation)) * self.network.units


class GeometricPairs(GeometricNetwork):
    """(B, 2, H, W) grey levels 0..255, current and desired, to (B, 6) in depths and radians."""

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first and the second image of pairs."""
        return images[:, :1], images[:, 1:]

    def features_of(self, desired: Tensor | None) -> Tensor:
        """Look at the desired images of pairs."""
        return self.displacements.features(desired)

    def forward(self, images: Tensor, poses: Tensor | None = None) -> Tensor:
        """Regress the poses; given the true ones, return the loss of a training step."""
        if poses is None:
            return self.regress(images)[0]
        return self.displacement_loss(images[:, :1], self.features_of(images[:, 1:]), poses)


class GeometricScene(GeometricNetwork):
    """(B, 1, H, W) grey levels 0..255 to (B, 6) in metres and radians; the scene is remembered in its weights.

    It begins from the weights of pairs, whose normalisation stays the affine map that it is in their file. The
    features of the scene are learned on, as all that measures displacements is.
    """

    def __init__(self, site: Site, weights: Path) -> None:
        super().__init__(site)
        assert site.image is not None
        read_folded(self, weights)
        self.eval()
        desired = torch.from_numpy(site.image)[None, None].float()
        with torch.no_grad():
            self.first.remember(self.matcher, desired)
            self.closer.remember(self.matcher, desired)
            self.features = nn.Parameter(self.displacements.features(desired))
        add_constants(self, grey=torch.tensor([0.114, 0.587, 0.299]).reshape(1, 3, 1, 1))  # of BGR

    def train(self, mode: bool = True) -> GeometricScene:
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def split(self, images: Tensor) -> tuple[Tensor, None]:
        """Return grey images; the scene is remembered."""
        return self._grey(images), None

    def features_of(self, desired: Tensor | None) -> Tensor:
        """Return those of the scene."""
        return self.features

    def forward(self, images: Tensor, poses: Tensor | None = None) -> Tensor:
        """Regress the poses; given the true ones, return the loss of a training step."""
        if poses is None:
            return self.regress(images)[0]
        return self.displacement_loss(self._grey(images), self.features, poses / self.units)

    def _grey(self, images: Tensor) -> Tensor:
        return images if images.shape[1] == 1 else (images * self.grey).sum(dim=1, keepdim=True)


def regressor(name: str, site: Site, weights: str) -> tuple[GeometricNetwork, str]:
    """Return the network of pairs, or of one scene, and a sentence about the weights that it begins from.

    Pairs begin from the shipped matcher; a scene from the shipped network of pairs, or the .onnx file `weights` of
    another. Raises TrainingError for other weights.
    """
    folder = resource_path('weights')
    if name.endswith(PAIRS):
        if weights != SHIPPED:
            raise TrainingError(f"expected weights '{SHIPPED}' for {name}, but got '{weights}'")
        network = GeometricPairs(site)
        matcher, _ = read_matcher(folder / 'scene_agnostic.onnx')
        network.matcher.load_state_dict(matcher.state_dict())
        return network, f'{name} starts from the shipped matcher, which stays as it is'
    path = folder / 'scene_agnostic_pairs.onnx' if weights == SHIPPED else Path(weights)
    return GeometricScene(site, path), f'{name} starts from the network of pairs in {path.name}'


def _near(pose: Pose) -> Pose:
    """Draw poses about those given: what an earlier look may have found."""
    like = pose[1]
    size = _MOST_OFF * (_LEAST_OFF / _MOST_OFF) ** torch.rand_like(like[:, :1])
    step = size * torch.randn_like(torch.cat([like, like], dim=1))
    turn = plane_pose.rotation_exp(step[:, 3:])
    return turn @ pose[0], (turn @ pose[1][..., None])[..., 0] + step[:, :3]
