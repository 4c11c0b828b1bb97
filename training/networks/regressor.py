"""Networks that regress the pose of the camera from one image (paper, section III)."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from training.errors import TrainingError
from training.networks.architectures import PAIRS, architecture, make_body
from training.networks.constants import add_constants
from training.networks.torchvision_models import torchvision_models

_REDUCED, _HIDDEN = 64, 512


class PoseRegressor(nn.Module):
    """(B, C, H, W) grey levels 0..255, C = 1 or 3 (BGR), to (B, 6): [t; theta u] of ``c0_T_c`` in m and rad.

    An architecture that ends in `_pairs` takes two grey images, C = 2, the current and the desired one (paper,
    section IV), by a first layer of six channels that begins as half the sum of two of three.

    `scale` (6,) is what an output of 1 of the last layer means, in metres and radians: the deviations of the
    training draw. AlexNet and VGG-16 are torchvision's with the last layer replaced by six outputs, as in the
    paper. The other two keep where a feature was seen, which their own mean over the image would forget: their
    features are reduced to 64 channels, and two layers read the pose from all cells.
    """

    def __init__(self, name: str, *, width: int, height: int, scale: Sequence[float]) -> None:
        super().__init__()
        check_size(name, width, height)
        self.architecture = name
        self.is_paired = name.endswith(PAIRS)
        body = make_body(name)
        add_constants(
            self,
            mean=torch.tensor(body.mean).view(1, 3, 1, 1) * 255,
            deviation=torch.tensor(body.deviation).view(1, 3, 1, 1) * 255,
        )
        self.register_buffer('scale', torch.tensor(scale, dtype=torch.float32))
        self.body: nn.Module = body.features
        self.published_name = body.rename
        cells = width // 32 * (height // 32)
        self.head: nn.Module = _spatial_head(body.channels, cells) if body.is_map else nn.Linear(body.channels, 6)
        if self.is_paired:
            _widen_first_layer(self.body)
        nn.init.normal_(_last(self.head).weight, std=1e-3)
        nn.init.zeros_(_last(self.head).bias)

    def forward(self, image: Tensor) -> Tensor:
        """Regress the poses."""
        if self.is_paired:
            colours = [(image[:, i : i + 1].expand(-1, 3, -1, -1) - self.mean) / self.deviation for i in (0, 1)]
            return self.head(self.body(torch.cat(colours, dim=1))) * self.scale
        rgb = image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image[:, [2, 1, 0]]
        return self.head(self.body((rgb - self.mean) / self.deviation)) * self.scale


def check_size(name: str, width: int, height: int) -> None:
    """Raise TrainingError for an unknown architecture, or a size that it cannot take."""
    size = architecture(name).size
    if size is not None and (width, height) != (size, size):
        raise TrainingError(f'expected images of {size}x{size} px for {name}, but got {width}x{height}')
    step = architecture(name).step
    if width % step or height % step or min(width, height) < 64:
        raise TrainingError(
            f'expected sides of 64 px or more in steps of {step} for {name}, but got {width}x{height}'
        )


def load_weights(model: PoseRegressor, source: str) -> str:
    """Load ImageNet weights into the body of `model` and say in a sentence what was done.

    `source` is `none`, `torchvision` (its published weights, downloaded unless cached) or a file: a state dict of
    the published network, `.safetensors` or torch's own format (read without executing anything in it). Its
    classifier is dropped.

    Raises:
        TrainingError: the file is missing or does not fit, or the weights cannot be downloaded.
    """
    if source == 'none':
        return f'{model.architecture} is trained from scratch: no ImageNet weights were asked for'
    state = _torchvision_state(model.architecture) if source == 'torchvision' else read_state(Path(source))
    state = {model.published_name(key): value for key, value in state.items()}
    wanted = model.body.state_dict()
    if model.is_paired:
        state = {k: _doubled(v) if k in wanted and v.shape != wanted[k].shape else v for k, v in state.items()}
    fitting = {k: v for k, v in state.items() if k in wanted and v.shape == wanted[k].shape}
    missing = sorted(set(wanted) - set(fitting) - {k for k in wanted if k.endswith('num_batches_tracked')})
    if missing:
        raise TrainingError(
            f'expected weights of {model.architecture} in {source}, but {len(missing)} of {len(wanted)} tensors '
            f'are missing or of another shape, {missing[0]} among them'
        )
    model.body.load_state_dict(fitting, strict=False)
    return f'{model.architecture} starts from the weights of {source} ({len(fitting)} tensors; a new last layer)'


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict. Raises TrainingError when the file is missing or none."""
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        state = torch.load(path, map_location='cpu', weights_only=True)
    except (OSError, SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(f'expected a state dict (.safetensors, .pth) in {path}, but got: {reason}') from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TrainingError(f'expected a state dict (names and tensors) in {path}, but it holds something else')
    return state


def _torchvision_state(name: str) -> dict[str, Tensor]:
    name = name.removesuffix(PAIRS)
    if not architecture(name).in_torchvision:
        raise TrainingError(f'expected --weights FILE for {name}, which torchvision does not have')
    try:
        weights = torchvision_models().get_model_weights(name).DEFAULT
        return weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or not the file that was published
        raise TrainingError(
            f"cannot download torchvision's weights of {name} ({error}): "
            'give a file with --weights FILE, or train from scratch with --weights none'
        ) from error


def _doubled(weight: Tensor) -> Tensor:
    """Return the weights of a first layer for two images: each half of the one for one."""
    return torch.cat([weight, weight], dim=1) / 2 if weight.ndim == 4 and weight.shape[1] == 3 else weight


def _widen_first_layer(body: nn.Module) -> None:
    first = next(module for module in body.modules() if isinstance(module, nn.Conv2d))
    first.weight = nn.Parameter(_doubled(first.weight.detach()))
    first.in_channels = 6


def _spatial_head(channels: int, cells: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, _REDUCED, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(_REDUCED * cells, _HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, 6),
    )


def _last(head: nn.Module) -> nn.Linear:
    layer = head[-1] if isinstance(head, nn.Sequential) else head
    assert isinstance(layer, nn.Linear)
    return layer
