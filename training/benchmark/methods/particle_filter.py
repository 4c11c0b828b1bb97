"""Direct visual servoing steered by a particle filter over camera poses (the paper's second baseline, [3])."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.benchmark import HARDEST
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import PinholeCamera, RelativePose, plane_homography, se3
from training.benchmark.methods.base import Method, Step, towards
from training.benchmark.methods.photometric import PhotometricServoing

Array = NDArray[np.float64]

WIDTH, HEIGHT = 64, 48
_PARTICLES = 400
_DIFFUSION = 0.12  # of the spread, shrinking as the filter converges
_MIN_OVERLAP = 0.2
_SWITCH = 0.93  # correlation from which plain direct visual servoing takes over


class ParticleFilterServoing(Method):
    """Particles are relative poses, weighted by how alike the image warped through them and the desired are."""

    def __init__(self) -> None:
        self._fine = PhotometricServoing()
        self._rng = np.random.default_rng(0)
        self._lens: PinholeCamera | None = None
        self._camera: PinholeCamera | None = None
        self._depth = 1.0
        self._desired = np.zeros((HEIGHT, WIDTH), np.float32)
        self._particles: list[Array] = []

    def start(self, reference: Reference, seed: int) -> None:
        """Draw the particles about the desired pose."""
        self._fine.start(reference, seed)
        self._rng = np.random.default_rng(seed)
        self._lens = reference.camera
        self._camera = reference.camera.undistorted.resized(WIDTH, HEIGHT)
        self._depth = reference.depth
        self._desired = self._reduce(reference.image)
        spread = HARDEST * np.r_[np.full(3, self._depth / 0.25), np.ones(3)]
        self._spread = spread
        self._particles = [
            se3.from_pose_vector(spread * vector) for vector in self._rng.standard_normal((_PARTICLES, 6))
        ]

    def step(self, image: np.ndarray) -> Step:
        """Weigh, estimate, resample and move; close to the goal descend the photometric error instead."""
        current = self._reduce(image)
        if self._similarity(current, np.eye(4)) > _SWITCH:
            return self._fine.step(image)
        weights = np.array([self._similarity(current, particle) for particle in self._particles])
        best = int(weights.argmax())
        if weights[best] <= 0:
            return Step(None)
        estimate = self._particles[best]
        motion = towards(RelativePose(estimate))
        self._resample(weights, se3.exp(motion))
        return Step(motion, tracked=True, pose=estimate)

    def _reduce(self, image: np.ndarray) -> np.ndarray:
        assert self._lens is not None
        grey = to_grey(self._lens.undistort(image))
        small = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        return cv2.GaussianBlur(small, (0, 0), 1.0)

    def _similarity(self, current: np.ndarray, desired_T_current: Array) -> float:
        """Correlation of the desired image with the current one warped as if the pose were right."""
        assert self._camera is not None
        homography = plane_homography(se3.inverse(desired_T_current), self._depth, self._camera)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpPerspective(current, homography, self._camera.size, flags=flags, borderValue=-1e4)
        seen = warped > -1.0
        count = int(seen.sum())
        if count < _MIN_OVERLAP * seen.size:
            return 0.0
        a, b = warped[seen], self._desired[seen]
        a, b = a - a.mean(), b - b.mean()
        return float(a @ b / (np.sqrt(float(a @ a) * float(b @ b)) + 1e-9))

    def _resample(self, weights: Array, moved: Array) -> None:
        """Low-variance resampling with sharpened weights, then the camera's motion and diffusion."""
        sharp = np.exp(20.0 * (weights - weights.max()))
        positions = (np.arange(_PARTICLES) + self._rng.random()) / _PARTICLES
        chosen = np.searchsorted(np.cumsum(sharp) / sharp.sum(), positions).clip(max=_PARTICLES - 1)
        scale = _DIFFUSION * max(0.1, 1.0 - float(weights.max()))
        noise = scale * self._spread * self._rng.standard_normal((_PARTICLES, 6))
        self._particles = [self._particles[index] @ moved @ se3.exp(noise[k]) for k, index in enumerate(chosen)]
