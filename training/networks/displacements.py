"""How far the cells of a warped image are from those of the desired one: the second look of `geometric`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.matcher import DARK, ConvolutionBlock, ResidualBlock

REACH = 16.0
"""Displacements in pixels, along an axis, up to which they are learned: what the correlations span."""

UNSURE = 4.0
"""Logarithm of the deviation, in pixels, of a cell that tells nothing."""

_CHANNELS = 32
_FEATURE_STRIDE = 4
_NEAR, _FAR = 1, 2  # radii of the correlations, in cells of 4 and of 8 pixels
_LIGHT = 4  # side in pixels of the cells whose means are the light


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
        """Return displacements (B, N, 2) px and the logarithms of their deviations (B, N), of cells of 8x8 px."""
        same = desired.expand(current.shape[0], -1, -1, -1)
        far = _correlation(functional.avg_pool2d(same, 2), functional.avg_pool2d(current, 2), _FAR)
        near = _correlation(same, current, _NEAR)
        halved = self.halve(torch.cat([near, 4 * same, 4 * current], dim=1))
        found = self.head(torch.cat([halved, far], dim=1)).flatten(2).transpose(1, 2)
        return _FEATURE_STRIDE * found[..., :2], found[..., 2].clamp(-UNSURE, UNSURE)


def light_free(image: Tensor) -> Tensor:
    """Return two channels (B, 2, H, W) of grey levels (B, 1, H, W) in 0..255, as `matcher.normalise` does.

    Here the smooth parts, over about 20 pixels, are computed on cells of 4, for speed.
    """
    scaled = image / 255.0
    centred = scaled - scaled.mean(dim=(2, 3), keepdim=True)
    spread = centred.square().mean(dim=(2, 3), keepdim=True).sqrt()
    flat = torch.log(scaled + DARK)
    flat = flat - _smooth(flat)
    return torch.cat(
        [centred / (spread + 0.03), flat / (_smooth(flat.square()).clamp(min=0).sqrt() + 0.03)], dim=1
    )


def _smooth(image: Tensor) -> Tensor:
    cells = functional.avg_pool2d(image, _LIGHT)
    cells = functional.avg_pool2d(cells, 5, 1, 2, count_include_pad=False)
    return functional.interpolate(cells, scale_factor=float(_LIGHT), mode='bilinear', align_corners=False)


def _correlation(desired: Tensor, current: Tensor, radius: int) -> Tensor:
    """Return (B, (2 radius + 1)^2, h, w): 8 times the products of features (B, C, h, w) with those around.

    By slices, which onnxruntime is much faster at than at `unfold`.
    """
    around = functional.pad(current, (radius,) * 4)
    spans = [slice(first, first - 2 * radius or None) for first in range(2 * radius + 1)]
    products = [(desired * around[:, :, down, across]).sum(dim=1) for down in spans for across in spans]
    return 8 * torch.stack(products, dim=1)
