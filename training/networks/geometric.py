"""A regressor with geometry inside: where the desired image's cells are seen, then least squares for the pose.

First look: the matcher's descriptors of the image at half its size against those of the desired image, turned
eight ways. Second and third look: the image, warped by the pose so far, against the desired one, cell by cell; a
network says how far off each cell is, and how sure it is of that. Each look ends in the pose that fits its cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks import plane_pose
from training.networks.matcher import DARK, STRIDE, ConvolutionBlock, Matcher, ResidualBlock
from training.networks.plane_pose import Pose

TURNS = 8
_NEAR, _FAR = 1, 2  # radii of the correlations, in cells of 4 and of 8 pixels
_REACH = 16.0  # px, of displacements that are learned
_LIGHT = 4  # px of the cells whose mean is the light
_CHANNELS = 32
_LOOKS = 2
_FEATURE_STRIDE = 4
_FIRST_SCALES = (0.5, 0.3, 0.15, 0.1)
_FIRST_STEPS = (0.1, 0.07, 0.05, 0.04)
_SURE = 3.0  # times its own deviation, from which a cell counts for half


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


class Displacements(nn.Module):
    """How far the cells of a warped image are from those of the desired one, and how sure that is."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            ConvolutionBlock(2, 16, kernel=4, stride=2),
            ConvolutionBlock(16, _CHANNELS, kernel=4, stride=2),
            ResidualBlock(_CHANNELS, 1),
        )
        near, far = ((2 * radius + 1) ** 2 for radius in (_NEAR, _FAR))
        self.halve = ConvolutionBlock(2 * _CHANNELS + near, 64, kernel=4, stride=2)
        self.head = nn.Sequential(
            ConvolutionBlock(64 + far, 64), ResidualBlock(64, 1), ResidualBlock(64, 2), nn.Conv2d(64, 3, 1)
        )

    def features(self, image: Tensor) -> Tensor:
        """Describe grey images (B, 1, H, W): (B, C, H/4, W/4), of unit norm."""
        return functional.normalize(self.encoder(light_free(image)), dim=1)

    def forward(self, desired: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
        """Return displacements (B, N, 2) in pixels and their deviations (B, N), for cells of 8x8 pixels."""
        same = desired.expand(current.shape[0], -1, -1, -1)
        far = _correlation(functional.avg_pool2d(same, 2), functional.avg_pool2d(current, 2), _FAR)
        near = _correlation(same, current, _NEAR)
        halved = self.halve(torch.cat([near, 4 * same, 4 * current], dim=1))
        found = self.head(torch.cat([halved, far], dim=1)).flatten(2).transpose(1, 2)
        return _FEATURE_STRIDE * found[..., :2], torch.exp(found[..., 2].clamp(-4.0, 4.0))


class GeometricNetwork(nn.Module):
    """Locates a camera over a plane whose image from the desired pose it was shown.

    `intrinsics` are fx, fy, cx, cy of images of `width` x `height` px, multiples of 16; `normal` (3,) is the plane's in
    the desired camera, of a depth of 1.
    """

    def __init__(
        self,
        width: int,
        height: int,
        intrinsics: tuple[float, float, float, float],
        normal: tuple[float, float, float] = (0.0, 0.0, 1.0),
    ) -> None:
        super().__init__()
        self.matcher = Matcher()
        self.displacements = Displacements()
        self.size = width, height
        fx, fy, cx, cy = intrinsics
        self.focal, self.centre = (fx, fy), (cx, cy)
        self.register_buffer('normal', torch.tensor(normal), persistent=False)
        pixels = _grid(width, height, 1)
        self.register_buffer('pixel_rays', self._rays(pixels), persistent=False)
        self.register_buffer('cell_rays', self._rays(_grid(width, height, STRIDE)), persistent=False)
        angles = [2 * math.pi * k / TURNS for k in range(TURNS)]
        middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
        turns = [torch.tensor([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]) for a in angles]
        turned = torch.stack([(pixels - middle) @ turn + middle for turn in turns])
        self.register_buffer('turned_pixels', turned, persistent=False)
        coarse = 2 * _grid(width // 2, height // 2, STRIDE) + 0.5
        places = torch.stack([(coarse - middle) @ turn + middle for turn in turns])
        self.register_buffer('coarse_rays', self._rays(coarse), persistent=False)
        self.register_buffer('copy_rays', self._rays(places), persistent=False)
        inside = ((places >= -0.5) & (places <= 2 * middle + 0.5)).all(dim=-1)
        self.register_buffer('copy_inside', inside.float(), persistent=False)

    def remember(self, image: Tensor) -> Memory:
        """Look at desired images (B, 1, H, W), grey levels 0..255."""
        count = image.shape[0]
        width, height = self.size
        grids = self._sampling(self.turned_pixels).reshape(TURNS, height, width, 2)
        copies = [
            functional.grid_sample(image, grid.expand(count, -1, -1, -1), padding_mode='border', align_corners=False)
            for grid in grids
        ]
        halved = functional.avg_pool2d(torch.stack(copies, dim=1).flatten(0, 1), 2)
        descriptors, matchability = self.matcher(halved)
        cells = descriptors.shape[1]
        return Memory(
            descriptors.reshape(count, TURNS, cells, -1),
            matchability.reshape(count, TURNS, cells),
            self.displacements.features(image),
        )

    def locate(self, image: Tensor, memory: Memory) -> Tensor:
        """Return [t; theta u] (B, 6) of ``desired_T_current`` in depths and radians."""
        pose = self.first_look(image, memory)
        for _ in range(_LOOKS):
            pose = self.next_look(image, memory, pose)
        return plane_pose.pose_vector(pose)

    def first_look(self, image: Tensor, memory: Memory) -> Pose:
        """Return the pose by the matches of the copy that matches most."""
        descriptors, matchability = self.matcher(functional.avg_pool2d(image, 2))
        found = self.matches(descriptors, matchability, memory)
        mass = found.sum(dim=(2, 3))
        best = mass.argmax(dim=1)
        chosen = found.gather(1, best[:, None, None, None].expand(-1, 1, *found.shape[2:]))[:, 0]
        points = self.copy_rays[best]
        sharp = chosen.square()
        seen = sharp @ self.coarse_rays / (sharp.sum(dim=-1, keepdim=True) + 1e-9)
        weights = chosen.sum(dim=-1) * self.copy_inside[best]
        pose = plane_pose.similarity_pose(points, seen, weights, _FIRST_SCALES)
        return plane_pose.fit_pose(pose, points, seen, weights, self.normal, _FIRST_STEPS)

    def matches(self, descriptors: Tensor, matchability: Tensor, memory: Memory) -> Tensor:
        """Return the probability (B, 8, N, M) that a desired cell of a copy is what a cell (M of them) sees."""
        similarity = self.matcher.log_temperature.exp() * (
            memory.descriptors @ descriptors[:, None].transpose(-1, -2)
        )
        here = (self.matcher.dustbin - memory.matchability)[..., None].expand(similarity.shape[0], -1, -1, 1)
        there = (self.matcher.dustbin - matchability)[:, None, None].expand(-1, TURNS, 1, -1)
        forward = torch.softmax(torch.cat([similarity, here], dim=3), dim=3)[..., :-1]
        backward = torch.softmax(torch.cat([similarity, there], dim=2), dim=2)[:, :, :-1]
        return forward * backward

    def next_look(self, image: Tensor, memory: Memory, pose: Pose) -> Pose:
        """Return the pose that fits the displacements seen from `pose`."""
        warp = plane_pose.homography(pose, self.normal)
        shift, deviation, inside = self.displaced(image, memory, warp)
        seen, _ = plane_pose.transfer(warp, self.cell_rays + self._ray_steps(shift))
        spread = deviation / self.focal[0]
        weights = inside / deviation.square()
        scales = (3 * _SURE * spread, _SURE * spread)
        return plane_pose.fit_pose(pose, self.cell_rays[None], seen, weights, self.normal, scales)

    def displaced(self, image: Tensor, memory: Memory, warp: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return displacements (B, N, 2) px, deviations (B, N) and whether cells are inside the image (B, N)."""
        width, height = self.size
        rays, _ = plane_pose.transfer(warp, self.pixel_rays[None])
        grid = self._sampling(self._pixels(rays)).reshape(-1, height, width, 2)
        warped = functional.grid_sample(image, grid, padding_mode='border', align_corners=False)
        shift, deviation = self.displacements(memory.features, self.displacements.features(warped))
        centres, depth = plane_pose.transfer(warp, self.cell_rays[None])
        place = self._sampling(self._pixels(centres))
        inside = ((place.abs() < 1 - 4 / height).all(dim=-1) & (depth > 0.1)).float()
        return shift, deviation, inside

    def displacement_loss(self, image: Tensor, memory: Memory, start: Pose, true: Pose) -> Tensor:
        """Return the negative log likelihood (Laplace) of the true displacements of `image`, seen from `start`."""
        warp = plane_pose.homography(start, self.normal)
        shift, deviation, inside = self.displaced(image, memory, warp)
        seen, depth = plane_pose.transfer(plane_pose.homography(true, self.normal), self.cell_rays[None])
        back, _ = plane_pose.transfer(plane_pose.inverse(warp), seen)
        wanted = (back - self.cell_rays) * torch.tensor(self.focal)
        near = (wanted.abs() < _REACH).all(dim=-1)
        counts = inside * near * (depth > 0.1)
        misses = (shift - wanted).abs().sum(dim=-1)
        return (counts * (misses / deviation + 2 * deviation.log())).sum() / counts.sum().clamp(min=1)

    def _rays(self, pixels: Tensor) -> Tensor:
        return (pixels - torch.tensor(self.centre)) / torch.tensor(self.focal)

    def _pixels(self, rays: Tensor) -> Tensor:
        return rays * torch.tensor(self.focal) + torch.tensor(self.centre)

    def _ray_steps(self, pixels: Tensor) -> Tensor:
        return pixels / torch.tensor(self.focal)

    def _sampling(self, pixels: Tensor) -> Tensor:
        """Return pixels in the units of grid_sample."""
        return ((pixels + 0.5) * (2 / torch.tensor(self.size)) - 1).clamp(-4.0, 4.0)


class GeometricPairs(GeometricNetwork):
    """(B, 2, H, W) grey levels, current and desired, to (B, 6) in depths and radians."""

    def forward(self, images: Tensor) -> Tensor:
        """Regress the poses."""
        return self.locate(images[:, :1], self.remember(images[:, 1:]))

    def loss(self, images: Tensor, poses: Tensor) -> Tensor:
        memory = self.remember_fine(images[:, 1:])
        return self.displacement_loss(images[:, :1], memory, near_pose(poses), plane_pose.pose_of_vector(poses))

    def remember_fine(self, image: Tensor) -> Memory:
        return Memory(image, image, self.displacements.features(image))


def near_pose(vectors: Tensor) -> Pose:
    """Draw poses about those of (B, 6): what an earlier look may have found."""
    size = 0.05 * torch.exp(math.log(0.02) * torch.rand(vectors.shape[0], 1))
    rotation, translation = plane_pose.pose_of_vector(vectors)
    step = size * torch.randn_like(vectors)
    turn = plane_pose.rotation_exp(step[:, 3:])
    return turn @ rotation, (turn @ translation[..., None])[..., 0] + step[:, :3]


def light_free(image: Tensor) -> Tensor:
    """Return two channels (B, 2, H, W) of grey levels (B, 1, H, W) in 0..255, as `matcher.normalise` does, but with
    smooth parts over about 20 pixels that are computed on cells of 4."""
    scaled = image / 255.0
    centred = scaled - scaled.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    flat = torch.log(scaled + DARK)
    flat = flat - _smooth(flat)
    return torch.cat([centred / (spread + 0.03), flat / (_smooth(flat.square()).clamp(min=0).sqrt() + 0.03)], dim=1)


def _smooth(image: Tensor) -> Tensor:
    cells = functional.avg_pool2d(image, _LIGHT)
    cells = functional.avg_pool2d(cells, 5, 1, 2, count_include_pad=False)
    return functional.interpolate(cells, scale_factor=float(_LIGHT), mode='bilinear', align_corners=False)


def _correlation(desired: Tensor, current: Tensor, radius: int) -> Tensor:
    """Return (B, (2 radius + 1)^2, h, w): 8 times the products of features (B, C, h, w) with those around."""
    count, channels, height, width = current.shape
    around = functional.unfold(current, 2 * radius + 1, padding=radius).reshape(count, channels, -1, height, width)
    return 8 * (desired[:, :, None] * around).sum(dim=1)


def _grid(width: int, height: int, stride: int) -> Tensor:
    """Return the pixels (N, 2) of the centres of cells, row by row."""
    offset = (stride - 1) / 2
    x, y = (stride * torch.arange(side // stride) + offset for side in (width, height))
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).reshape(-1, 2).float()
