"""Perturbations of a view: global and local light, and clusters of other images (paper, section III-B)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from training.errors import TrainingError
from training.images import lighting
from training.snapshot.occluders import ClusterBank, paste


@dataclass(frozen=True)
class Perturbations:
    """Each perturbation's probability, independent of the others, and its range.

    Attributes:
        global_light: probability of an affine change of the grey levels.
        gain: range of its factor.
        offset: range of what it adds, grey levels.
        local_lights: probability of a mixture of Gaussian lights (eqs. 8, 9).
        lights: largest number of lights.
        ambient: range of the light between them; 1 leaves the image as it is where no light falls.
        occlusion: probability of occluders.
        occluders: largest number of clusters.
        occluder_scale: range of the size of a cluster; 1 shows the image it comes from at the size of the view.
        noise: standard deviation of the image noise, grey levels; the paper has none.
    """

    global_light: float = 0.5
    gain: tuple[float, float] = (0.6, 1.4)
    offset: tuple[float, float] = (-30.0, 30.0)
    local_lights: float = 0.5
    lights: int = 3
    ambient: tuple[float, float] = (0.3, 1.0)
    occlusion: float = 0.5
    occluders: int = 4
    occluder_scale: tuple[float, float] = (0.7, 1.5)
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name in ('global_light', 'local_lights', 'occlusion') and not 0 <= value <= 1:
                raise TrainingError(f'expected a probability {name} of 0 to 1, but got {value}')
            if isinstance(value, tuple) and not (len(value) == 2 and np.isfinite(value).all() and _rises(value)):
                raise TrainingError(f'expected a range {name} from small to large, but got {value}')
        if self.lights < 1 or self.occluders < 1:
            raise TrainingError(
                f'expected at least 1 light and 1 occluder (a probability of 0 switches them off), but got '
                f'{self.lights} and {self.occluders}'
            )
        if self.gain[0] < 0 or self.ambient[0] < 0 or self.occluder_scale[0] <= 0:
            raise TrainingError(
                'expected gain and ambient light not below 0 and a positive occluder scale, but got '
                f'{self.gain}, {self.ambient} and {self.occluder_scale}'
            )
        if not (np.isfinite(self.noise) and self.noise >= 0):
            raise TrainingError(f'expected a noise of 0 grey levels or more, but got {self.noise}')


def _rises(limits: tuple[float, float]) -> bool:
    return limits[0] <= limits[1]


def occlude(
    image: np.ndarray, settings: Perturbations, bank: ClusterBank | None, rng: np.random.Generator
) -> float:
    """Paste clusters over an image (H, W, C) uint8 in place; return the share of it that they cover."""
    if bank is None or rng.random() >= settings.occlusion:
        return 0.0
    height, width = image.shape[:2]
    covered = np.zeros((height, width), bool)
    for _ in range(int(rng.integers(1, settings.occluders + 1))):
        cluster = bank.cluster(int(rng.integers(len(bank))))
        size = float(rng.uniform(*settings.occluder_scale))
        centre = rng.uniform(0, 1, 2) * (width, height)
        paste(image, cluster, centre, size * max(width, height) / bank.image_size, covered)
    return float(covered.mean())


def relight(image: np.ndarray, settings: Perturbations, rng: np.random.Generator) -> tuple[np.ndarray, bool, int]:
    """Return an image (H, W, C) uint8 under random lights, whether the global one changed, how many local ones."""
    changed = bool(rng.random() < settings.global_light)
    count = int(rng.integers(1, settings.lights + 1)) if rng.random() < settings.local_lights else 0
    if not changed and not count:
        return image, False, 0
    lit = image.astype(np.float32)
    if count:
        ambient = float(rng.uniform(*settings.ambient))
        lit *= lighting.gaussian_lights(image.shape[:2], rng, count=count, ambient=ambient)[..., None]
    if changed:
        lit *= np.float32(rng.uniform(*settings.gain))
        lit += np.float32(rng.uniform(*settings.offset))
    return quantise(lit), changed, count


def add_noise(image: np.ndarray, settings: Perturbations, rng: np.random.Generator) -> np.ndarray:
    """Return an image (H, W, C) uint8 with the noise of the settings, if any."""
    if settings.noise == 0:
        return image
    return quantise(image + np.float32(settings.noise) * rng.standard_normal(image.shape, dtype=np.float32))


def quantise(image: np.ndarray) -> np.ndarray:
    """Return float grey levels as the camera delivers them: rounded, 0 to 255, uint8. Overwrites `image`."""
    return np.clip(np.rint(image, out=image), 0, 255, out=image).astype(np.uint8)
