"""The scene-agnostic coarse matcher: dense unit descriptors and a matchability logit on a stride-8 grid.

Cell centres: each stride-2 convolution has an EVEN kernel (4) and padding 1, whose output j is centred between
input pixels 2j and 2j + 1. Three of them put cell i at pixel 8i + 3.5 exactly, symmetric about the image centre
in OpenCV's pixel-centre convention; an odd kernel can only give 8i or 8i + 4 with a crop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DESCRIPTOR_SIZE = 64
WINDOW = 17  # side of the local contrast normalisation, px
DARK = 4.0 / 255.0  # added before the logarithm, so that noise in the dark is not blown up


class ConvolutionBlock(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                inputs,
                outputs,
                kernel,
                stride,
                padding=1 if stride > 1 else dilation,
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions of the same dilation around a skip connection."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = ConvolutionBlock(channels, channels, dilation=dilation)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features (B, C, h, w) of the same shape."""
        return functional.relu(features + self.second(self.first(features)))


class Matcher(nn.Module):
    """Describe grey images for matching.

    `log_temperature` and `dustbin` are learned with the rest and belong to the matching rule (see
    `training.matcher.loss`): S = temperature * d_a . d_b, and the logit of 'no match' for cell a is
    dustbin - matchability_a.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvolutionBlock(2, 16, kernel=4, stride=2),
            ConvolutionBlock(16, 32, kernel=4, stride=2),
            ConvolutionBlock(32, 32),
            ConvolutionBlock(32, 64, kernel=4, stride=2),
            ResidualBlock(64, 1),
            ResidualBlock(64, 2),
            ResidualBlock(64, 3),
            ResidualBlock(64, 1),
        )
        self.head = nn.Conv2d(64, DESCRIPTOR_SIZE + 1, 1)
        self.log_temperature = nn.Parameter(torch.tensor(2.5))
        self.dustbin = nn.Parameter(torch.tensor(4.0))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Describe images.

        Args:
            image: (B, 1, H, W) float32 grey levels 0..255; H and W multiples of 8.

        Returns:
            descriptors (B, H/8*W/8, 64) of unit norm, row by row, and matchability (B, H/8*W/8), a logit.
        """
        features = self.head(self.stem(normalise(image))).flatten(2).transpose(1, 2)
        return functional.normalize(features[..., :DESCRIPTOR_SIZE], dim=-1), features[..., DESCRIPTOR_SIZE]


def normalise(image: Tensor) -> Tensor:
    """Return two channels (B, 2, H, W) of a grey image (B, 1, H, W) in 0..255.

    The first is the z-score over the image. The second is free of light: the logarithm, in which a light is a
    smooth term, less its mean over a 17x17 window (twice, so that also the slope and bend of the light go),
    divided by its deviation in the window (over the window's part inside the image). Both have a floor on the
    deviation so that noise on a plain surface is not blown up.
    """
    scaled = image * (1.0 / 255.0)
    centred = scaled - scaled.mean(dim=(2, 3), keepdim=True)
    deviation = (centred * centred).mean(dim=(2, 3), keepdim=True).sqrt()
    down, across = _window_means(image.shape[2], image), _window_means(image.shape[3], image).T
    flat = torch.log(scaled + DARK)
    flat = flat - down @ flat @ across
    flat = flat - down @ flat @ across
    contrast = (down @ (flat * flat) @ across).sqrt()
    return torch.cat([centred / (deviation + 0.03), flat / (contrast + 0.03)], dim=1)


def _window_means(size: int, like: Tensor) -> Tensor:
    """Return the matrix (size, size) that takes values to their means over a window.

    onnxruntime takes 3.6 ms for all of an image of 256x192 with such products, 10 with pooling in their place.
    """
    place = torch.arange(size, dtype=like.dtype, device=like.device)
    inside = ((place[:, None] - place).abs() <= WINDOW // 2).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)
