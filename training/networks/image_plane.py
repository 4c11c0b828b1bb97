"""The pixels of a camera and its rays, points (x, y) on the plane z = 1, as tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.constants import add_constants
from training.networks.plane_pose import NEAREST


class ImagePlane(nn.Module):
    """A camera of `intrinsics` fx, fy, cx, cy with images of `width` x `height`; it has no weights."""

    focal: Tensor
    centre: Tensor
    sides: Tensor
    matrix: Tensor
    _every_ray: Tensor
    _sampling: Tensor

    def __init__(self, width: int, height: int, intrinsics: tuple[float, float, float, float]) -> None:
        super().__init__()
        self.size = width, height
        fx, fy, cx, cy = intrinsics
        add_constants(
            self,
            focal=torch.tensor([fx, fy]),
            centre=torch.tensor([cx, cy]),
            sides=torch.tensor([float(width), float(height)]),
            matrix=torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]),
        )
        rays = self.rays(self.grid(1))
        sampling = [[2 / width, 0.0, 1 / width - 1], [0.0, 2 / height, 1 / height - 1], [0.0, 0.0, 1.0]]
        add_constants(
            self,
            _every_ray=torch.cat([rays, torch.ones_like(rays[:, :1])], dim=1).T.contiguous(),
            _sampling=torch.tensor(sampling) @ self.matrix,
        )

    def grid(self, stride: int) -> Tensor:
        """Return the pixels (N, 2) of the centres of cells of `stride` x `stride`, row by row."""
        x, y = (stride * torch.arange(side // stride) + (stride - 1) / 2 for side in self.size)
        return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).reshape(-1, 2).float()

    def rays(self, pixels: Tensor) -> Tensor:
        """Return the rays of pixels (..., 2)."""
        return (pixels - self.centre) / self.focal

    def pixels(self, rays: Tensor) -> Tensor:
        """Return the pixels that see rays (..., 2)."""
        return rays * self.focal + self.centre

    def contains(self, pixels: Tensor, margin: float) -> Tensor:
        """Tell of pixels (..., 2) whether they are farther than `margin` inside the image."""
        return ((pixels > margin) & (pixels < self.sides - 1 - margin)).all(dim=-1)

    def warped(self, images: Tensor, maps: Tensor) -> Tensor:
        """Return images (B, 1, H, W) made of what those given show; past their edge, the edge.

        `maps` (B, 3, 3) take rays of the result to rays of the images. All x stand before all y: for sums and
        products of points, two numbers each, onnxruntime takes eight times as long.
        """
        width, height = self.size
        mapped = self._sampling @ maps @ self._every_ray
        grid = (mapped[:, :2] / mapped[:, 2:].clamp(min=NEAREST)).clamp(-4.0, 4.0)
        pixels = grid.transpose(1, 2).reshape(-1, height, width, 2)
        return functional.grid_sample(images, pixels, padding_mode='border', align_corners=False)
