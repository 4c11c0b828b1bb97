"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6 (Tan and Le, 2019; Liu, 2020)."""

from __future__ import annotations

from torch import Tensor, nn

from training.networks.architectures import Body

FEATURES = 320  # channels that `EfficientNetLite0` returns, at a 32nd of the resolution

# Of each stage: blocks, kernel, stride, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, FEATURES),
)


class EfficientNetLite0(nn.Module):
    """Feature extractor: (B, 3, H, W), RGB of about -1 to 1, to (B, 320, H/32, W/32); H and W multiples of 32.

    Parameters are named as in the published PyTorch weights, without the underscores that these begin with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _convolution(3, 32, 3, stride=2)
        self.bn0 = _normalisation(32)
        blocks: list[nn.Module] = []
        width = 32
        for count, kernel, stride, expansion, channels in _STAGES:
            for index in range(count):
                blocks.append(_Block(width, channels, kernel, stride if index == 0 else 1, expansion))
                width = channels
        self.blocks = nn.ModuleList(blocks)
        self.activation = nn.ReLU6()

    def forward(self, image: Tensor) -> Tensor:
        """Return the features of the last stage."""
        features = self.activation(self.bn0(self.conv_stem(image)))
        for block in self.blocks:
            features = block(features)
        return features


def body(name: str) -> Body:
    """Return the feature map, and how the published weights name its tensors."""
    del name
    return Body(
        EfficientNetLite0(),
        FEATURES,
        is_map=True,
        mean=(127 / 255,) * 3,
        deviation=(128 / 255,) * 3,
        rename=lambda key: '.'.join(part.removeprefix('_') for part in key.split('.')),
    )


class _Block(nn.Module):
    """Inverted residual: expand, depthwise convolution, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and inputs == outputs
        if self.expands:
            self.expand_conv = nn.Conv2d(inputs, width, 1, bias=False)
            self.bn0 = _normalisation(width)
        self.depthwise_conv = _convolution(width, width, kernel, stride=stride, groups=width)
        self.bn1 = _normalisation(width)
        self.project_conv = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn2 = _normalisation(outputs)
        self.activation = nn.ReLU6()

    def forward(self, image: Tensor) -> Tensor:
        inner = image
        if self.expands:
            inner = self.activation(self.bn0(self.expand_conv(inner)))
        inner = self.activation(self.bn1(self.depthwise_conv(inner)))
        inner = self.bn2(self.project_conv(inner))
        return image + inner if self.adds else inner


class _SamePadConv2d(nn.Conv2d):
    """Convolution of stride 2 padded as TensorFlow's SAME pads even sizes: one more on the right and below."""

    def forward(self, image: Tensor) -> Tensor:
        total = self.kernel_size[0] - 2
        before = total // 2
        return super().forward(nn.functional.pad(image, (before, total - before, before, total - before)))


def _convolution(inputs: int, outputs: int, kernel: int, *, stride: int, groups: int = 1) -> nn.Conv2d:
    if stride == 2:
        return _SamePadConv2d(inputs, outputs, kernel, stride=2, groups=groups, bias=False)
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
