"""A regressor with geometry inside: where the desired image's cells are seen, then least squares for the pose.

First look: the matcher's descriptors of the image at half its size against those of the desired image, turned
eight ways. Next looks: the image, warped by the pose so far, against the desired one; a network says how far off
each cell is, and how sure it is of that. Each look ends in the pose that fits its cells; the last is the one that
changes it no more. Where an image shows no more than an edge of the desired one, the first look takes a turn for a
sideways motion, and each next look takes some ten degrees off that.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from cnn_vs_ros.resources import resource_path
from training.errors import TrainingError
from training.networks import plane_pose
from training.networks.architectures import PAIRS, SHIPPED
from training.networks.cells import STRIDE
from training.networks.displacements import REACH, Displacements
from training.networks.looks import Looks, Seen
from training.networks.matcher import Matcher
from training.networks.onnx_weights import read_folded, read_matcher
from training.networks.plane_pose import Pose
from training.networks.site import Site

TURNS = 8
_FIRST_SCALES = (0.5, 0.3, 0.15, 0.1)  # residuals that count for half, on the image plane z = 1, round by round
_FIRST_STEPS = (0.1, 0.07, 0.05, 0.04)
_NEXT_STEPS = (9.0, 3.0)  # the same, in a cell's own deviations
_EDGE = 4  # px; a cell whose centre is nearer to the image's edge is not seen whole
_MOST_OFF, _LEAST_OFF = 0.05, 0.001  # of the poses that training looks from: depths and radians


class Memory(NamedTuple):
    """What is kept of desired images.

    Attributes:
        descriptors: (B, 8, N, D) of the image at half its size, turned.
        matchability: (B, 8, N).
        features: (B, C, H/4, W/4).
    """

    descriptors: Tensor
    matchability: Tensor
    features: Tensor


class GeometricNetwork(nn.Module):
    """Locates a camera over a plane whose image from the desired pose it was shown; sides are multiples of 16."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        width, height = self.size = site.width, site.height
        fx, fy, cx, cy = site.intrinsics
        self.matcher = Matcher().requires_grad_(False)
        self.displacements = Displacements()
        self.register_buffer('scale', torch.tensor(site.scale, dtype=torch.float32))
        self._constant('units', torch.tensor([site.depth] * 3 + [1.0] * 3))
        self._constant('normal', torch.tensor(site.normal))
        self._constant('focal', torch.tensor([fx, fy]))
        self._constant('centre', torch.tensor([cx, cy]))
        self._constant('sides', torch.tensor([float(width), float(height)]))
        self._constant('pixels', _grid(width, height, 1))
        angles = torch.arange(TURNS) * (2 * math.pi / TURNS)
        cosine, sine = angles.cos(), angles.sin()
        turns = torch.stack([cosine, sine, -sine, cosine], dim=1).reshape(TURNS, 2, 2)
        self._constant('turns', turns)
        self._constant('cell_rays', self._rays(_grid(width, height, STRIDE)))
        places = 2 * _grid(width // 2, height // 2, STRIDE) + 0.5
        middle = (self.sides - 1) / 2
        turned = (places - middle) @ turns + middle
        self._constant('coarse_rays', self._rays(places))
        self._constant('copy_rays', self._rays(turned))
        self._constant('copy_inside', ((turned >= 0) & (turned <= 2 * middle)).all(dim=-1).float())

    def train(self, mode: bool = True) -> GeometricNetwork:
        """Set the mode; the matcher stays as it is."""
        super().train(mode)
        self.matcher.eval()
        return self

    def remember(self, image: Tensor) -> Memory:
        """Look at desired images (B, 1, H, W), grey levels 0..255."""
        count, (width, height) = image.shape[0], self.size
        middle = (self.sides - 1) / 2
        # Expanded before the product, so that an exporter does not write eight grids into its file.
        turned = (self.pixels - middle) @ self.turns.expand(count, -1, -1, -1) + middle
        copies = _sample(
            image.expand(-1, TURNS, -1, -1).reshape(-1, 1, height, width),
            self._sampling(turned).reshape(-1, height, width, 2),
        )
        descriptors, matchability = self.matcher(functional.avg_pool2d(copies, 2))
        cells, size = descriptors.shape[1:]
        return Memory(
            descriptors.reshape(-1, TURNS, cells, size),
            matchability.reshape(-1, TURNS, cells),
            self.displacements.features(image),
        )

    def begin(self, images: Tensor) -> tuple[Tensor, Memory]:
        """Return the current image (B, 1, H, W) of an input, and what is kept of the desired one."""
        raise NotImplementedError

    def looks(self) -> Looks:
        """Return what gives [t; theta u] (B, 6) of ``desired_T_current``."""
        return Looks(_First(self), _Next(self), _Last(self))

    def scripted(self, examples: Tensor) -> nn.Module:
        """Return the network, whose looks end early, as a script that torch's exporter takes."""
        return self.looks().scripted(examples)

    def first_look(self, image: Tensor, memory: Memory) -> Pose:
        """Return the pose by the matches of the copy that matches most."""
        found = self._matches(functional.avg_pool2d(image, 2), memory)
        best = found.sum(dim=(2, 3)).argmax(dim=1)
        chosen = found.gather(1, best[:, None, None, None].expand(-1, 1, found.shape[2], found.shape[3]))[:, 0]
        sharp = chosen.square()
        seen = sharp @ self.coarse_rays / (sharp.sum(dim=-1, keepdim=True) + 1e-9)
        weights = chosen.sum(dim=-1) * self.copy_inside[best]
        points = self.copy_rays[best]
        pose = plane_pose.similarity_pose(points, seen, weights, _FIRST_SCALES)
        return plane_pose.fit_pose(pose, points, seen, weights, self.normal, _FIRST_STEPS)

    def displacement_loss(self, image: Tensor, features: Tensor, poses: Tensor) -> Tensor:
        """Return the negative log likelihood (Laplace) of the cells' displacements, from poses near the true ones.

        Args:
            image: (B, 1, H, W) grey levels 0..255.
            features: (B or 1, C, H/4, W/4) of the desired images.
            poses: (B, 6), the true [t; theta u] of ``desired_T_current`` in depths and radians.
        """
        true = plane_pose.pose_of_vector(poses)
        warp = plane_pose.homography(_near(true), self.normal)
        shift, deviation, inside = self._displaced(image, features, warp)
        seen, depth = plane_pose.transfer(plane_pose.homography(true, self.normal), self.cell_rays[None])
        back, _ = plane_pose.transfer(plane_pose.inverse(warp), seen)
        wanted = (back - self.cell_rays) * self.focal
        counts = inside * (wanted.abs() < REACH).all(dim=-1) * (depth > 0)
        misses = (shift - wanted).abs().sum(dim=-1)
        return (counts * (misses / deviation + 2 * deviation.log())).sum() / counts.sum().clamp(min=1)

    def _matches(self, image: Tensor, memory: Memory) -> Tensor:
        """Return the probability (B, 8, N, M) that a desired cell of a copy is what a cell (M of them) sees."""
        descriptors, matchability = self.matcher(image)
        count, cells = matchability.shape
        temperature, dustbin = self.matcher.log_temperature.exp(), self.matcher.dustbin
        similarity = temperature * (memory.descriptors @ descriptors[:, None].transpose(-1, -2))
        here = (dustbin - memory.matchability)[..., None].expand(count, -1, -1, 1)
        there = (dustbin - matchability)[:, None, None].expand(-1, TURNS, 1, cells)
        forward = torch.softmax(torch.cat([similarity, here], dim=3), dim=3)[..., :cells]
        backward = torch.softmax(torch.cat([similarity, there], dim=2), dim=2)[:, :, :cells]
        return forward * backward

    def next_look(self, image: Tensor, features: Tensor, pose: Pose) -> Pose:
        """Return the pose by where the cells of the image, warped by `pose`, are seen."""
        warp = plane_pose.homography(pose, self.normal)
        shift, deviation, inside = self._displaced(image, features, warp)
        seen, _ = plane_pose.transfer(warp, self.cell_rays + shift / self.focal)
        scales = tuple(scale * deviation / self.focal[0] for scale in _NEXT_STEPS)
        weights = inside / deviation.square()
        return plane_pose.fit_pose(pose, self.cell_rays[None], seen, weights, self.normal, scales)

    def _displaced(self, image: Tensor, features: Tensor, warp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return displacements (B, N, 2) px, deviations (B, N) px and whether cells are in the image (B, N)."""
        width, height = self.size
        rays, _ = plane_pose.transfer(warp, self._rays(self.pixels)[None])
        warped = _sample(image, self._sampling(rays * self.focal + self.centre).reshape(-1, height, width, 2))
        shift, deviation = self.displacements(features, self.displacements.features(warped))
        centres, depth = plane_pose.transfer(warp, self.cell_rays[None])
        pixels = centres * self.focal + self.centre
        inside = ((pixels > _EDGE) & (pixels < self.sides - 1 - _EDGE)).all(dim=-1) & (depth > 0)
        return shift, deviation, inside.float()

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    def _rays(self, pixels: Tensor) -> Tensor:
        return (pixels - self.centre) / self.focal

    def _sampling(self, pixels: Tensor) -> Tensor:
        """Return pixels in the units of grid_sample."""
        return ((pixels + 0.5) * (2 / self.sides) - 1).clamp(-4.0, 4.0)


class _Part(nn.Module):
    """A part of the looks of a network."""

    def __init__(self, network: GeometricNetwork) -> None:
        super().__init__()
        self.network = network


class _First(_Part):
    def forward(self, images: Tensor) -> Seen:
        image, memory = self.network.begin(images)
        return image, memory.features, *self.network.first_look(image, memory)


class _Next(_Part):
    def forward(self, image: Tensor, features: Tensor, rotation: Tensor, translation: Tensor) -> Pose:
        return self.network.next_look(image, features, (rotation, translation))


class _Last(_Part):
    def forward(self, rotation: Tensor, translation: Tensor) -> Tensor:
        return plane_pose.pose_vector((rotation, translation)) * self.network.units


class GeometricPairs(GeometricNetwork):
    """(B, 2, H, W) grey levels 0..255, current and desired, to (B, 6) in depths and radians."""

    def begin(self, images: Tensor) -> tuple[Tensor, Memory]:
        """Look at the desired images of pairs."""
        return images[:, :1], self.remember(images[:, 1:])

    def forward(self, images: Tensor, poses: Tensor | None = None) -> Tensor:
        """Regress the poses; given the true ones, return the loss of a training step."""
        if poses is None:
            return self.looks()(images)
        return self.displacement_loss(images[:, :1], self.displacements.features(images[:, 1:]), poses)


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
        with torch.no_grad():
            memory = self.remember(torch.from_numpy(site.image)[None, None].float())
        self.register_buffer('descriptors', memory.descriptors)
        self.register_buffer('matchability', memory.matchability)
        self.features = nn.Parameter(memory.features)
        self._constant('grey', torch.tensor([0.114, 0.587, 0.299]).reshape(1, 3, 1, 1))  # of BGR

    def train(self, mode: bool = True) -> GeometricScene:
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def begin(self, images: Tensor) -> tuple[Tensor, Memory]:
        """Return grey images, and the scene."""
        return self._grey(images), Memory(self.descriptors, self.matchability, self.features)

    def forward(self, images: Tensor, poses: Tensor | None = None) -> Tensor:
        """Regress the poses; given the true ones, return the loss of a training step."""
        if poses is None:
            return self.looks()(images)
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
    count = pose[0].shape[0]
    size = _MOST_OFF * (_LEAST_OFF / _MOST_OFF) ** torch.rand(count, 1)
    step = size * torch.randn(count, 6)
    turn = plane_pose.rotation_exp(step[:, 3:])
    return turn @ pose[0], (turn @ pose[1][..., None])[..., 0] + step[:, :3]


def _sample(image: Tensor, grid: Tensor) -> Tensor:
    return functional.grid_sample(image, grid, padding_mode='border', align_corners=False)


def _grid(width: int, height: int, stride: int) -> Tensor:
    """Return the pixels (N, 2) of the centres of cells, row by row."""
    x, y = (stride * torch.arange(side // stride) + (stride - 1) / 2 for side in (width, height))
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).reshape(-1, 2).float()
