"""Classical direct visual servoing: Levenberg-Marquardt on pixel intensities (paper, eq. 3; its reference [7])."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.fine.samples import interaction
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.geometry import PinholeCamera
from training.benchmark.methods.base import Method, Step, limited

Array = NDArray[np.float64]

WIDTH, HEIGHT = 160, 120
_SMOOTHING = 1.5  # pixels; widens the basin of convergence at no loss of the goal
_STEP = 0.7
_DAMPING = (1e-3, 1e-2, 1.0)  # least, first and largest


def reduce(image: np.ndarray) -> np.ndarray:
    """Smoothed grey float32 (120, 160) of an image (H, W[, 3])."""
    small = cv2.resize(to_grey(image), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    return cv2.GaussianBlur(small, (0, 0), _SMOOTHING)


def interaction_matrix(image: np.ndarray, camera: PinholeCamera, depth: float) -> np.ndarray:
    """Interaction matrix (H*W, 6) of the intensities, all pixels at `depth` metres: ``L_I = -grad(I) . L_x``."""
    gradient_x = cv2.Sobel(image, cv2.CV_32F, 1, 0, scale=0.125 * camera.fx)
    gradient_y = cv2.Sobel(image, cv2.CV_32F, 0, 1, scale=0.125 * camera.fy)
    return intensity_jacobian(gradient_x, gradient_y, camera, depth)


def intensity_jacobian(across: np.ndarray, down: np.ndarray, camera: PinholeCamera, depth: float) -> np.ndarray:
    """The same from the gradients (H, W) of the image along normalised coordinates."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.rays(np.stack([columns, rows], axis=-1)).astype(across.dtype).reshape(-1, 3)
    inverse_depth = np.full(len(rays), 1.0 / depth, across.dtype)
    return interaction(rays[:, 0], rays[:, 1], inverse_depth, across.ravel(), down.ravel()).T


class PhotometricServoing(Method):
    """``v = -lambda (H + mu diag H)^-1 L^T (I - I*)`` with the mean of the current and desired interaction."""

    def __init__(self) -> None:
        self._desired = np.zeros((HEIGHT, WIDTH), np.float32)
        self._lens: PinholeCamera | None = None
        self._camera: PinholeCamera | None = None
        self._depth = 1.0
        self._damping = _DAMPING[1]
        self._cost = np.inf

    def start(self, reference: Reference, seed: int) -> None:
        """Take the desired image."""
        self._lens = reference.camera
        self._desired = reduce(self._lens.undistort(reference.image))
        self._camera = reference.camera.undistorted.resized(WIDTH, HEIGHT)
        self._depth = reference.depth
        self._damping, self._cost = _DAMPING[1], np.inf

    def step(self, image: np.ndarray) -> Step:
        """Descend the sum of squared differences."""
        assert self._lens is not None
        assert self._camera is not None
        current = reduce(self._lens.undistort(image))
        error = (current - self._desired).ravel()
        cost = float(error @ error)
        # Less damping while the cost falls, more when it rises (Levenberg-Marquardt).
        factor = 0.7 if cost < self._cost else 2.0
        self._damping = float(np.clip(self._damping * factor, _DAMPING[0], _DAMPING[2]))
        self._cost = cost
        interaction = interaction_matrix(0.5 * (current + self._desired), self._camera, self._depth)
        normal = (interaction.T @ interaction).astype(np.float64)
        damped = normal + self._damping * np.diag(np.diag(normal)) + 1e-9 * np.eye(6)
        motion = -_STEP * np.linalg.solve(damped, (interaction.T @ error).astype(np.float64))
        return Step(limited(motion), tracked=True)
