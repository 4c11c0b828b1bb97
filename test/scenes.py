"""A drawn plane and views of it, for tests that need images without a renderer."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from cnn_vs_ros.geometry import PinholeCamera, camera_sees_plane, se3

CAMERA = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
DEPTH = 0.25
PIXELS_PER_METRE = 2400.0


def drawn_texture(seed: int = 0, width: int = 1700, height: int = 1300) -> np.ndarray:
    """Discs and bars of many sizes over a fractal ground, grey uint8."""
    rng = np.random.default_rng(seed)
    ground = sum(
        cv2.resize(
            rng.normal(size=(height // s + 1, width // s + 1)), (width, height), interpolation=cv2.INTER_CUBIC
        )
        * s**0.7
        for s in (4, 16, 64, 256)
    )
    image = (110 + 25 * ground / ground.std()).clip(0, 255).astype(np.uint8)
    for _ in range(260):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        size = float(rng.uniform(6, 90)) ** 1.0
        grey = int(rng.integers(20, 235))
        if rng.random() < 0.5:
            axes = (max(2, int(size)), max(2, int(size * rng.uniform(0.2, 1))))
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, grey, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints((centre, (size * 2, size * rng.uniform(0.2, 1)), rng.uniform(0, 180)))
            cv2.fillConvexPoly(image, box.astype(np.int32), grey, cv2.LINE_AA)
    return image


@cache
def wide_texture() -> np.ndarray:
    """Texture of 2.1 m by 1.6 m, the same array each time."""
    return np.block([[drawn_texture(3 * row + column) for column in range(3)] for row in range(3)])


def tilted(angle: float, around: float) -> np.ndarray:
    """Pose (4, 4) of a camera that looks at the texture's middle from DEPTH, `angle` degrees from the side."""
    turn = se3.rotation_exp(np.deg2rad(angle) * np.array([np.cos(around), np.sin(around), 0.0]))
    middle = np.array([0.0, 0.0, DEPTH])
    return se3.transform(turn, middle - turn @ middle)


def slope_of(pose: np.ndarray) -> np.ndarray:
    """Slope (2,) of the texture's plane for a camera at `pose`."""
    return pose[2, :2] / pose[2, 2]


def view(
    texture: np.ndarray, desired_T_current: np.ndarray, seed: int | None = None, camera: PinholeCamera = CAMERA
) -> np.ndarray:
    """Image of the texture, lying at DEPTH before the desired camera, with noise of 2 grey levels where seeded."""
    height, width = texture.shape
    current_T_desired = se3.inverse(desired_T_current)
    plane_from_texel = np.array(
        [
            [1 / PIXELS_PER_METRE, 0, -(width - 1) / 2 / PIXELS_PER_METRE],
            [0, 1 / PIXELS_PER_METRE, -(height - 1) / 2 / PIXELS_PER_METRE],
            [0, 0, 1],
        ]
    )
    rotation, translation = current_T_desired[:3, :3], current_T_desired[:3, 3]
    current_from_plane = np.column_stack([rotation[:, 0], rotation[:, 1], rotation[:, 2] * DEPTH + translation])
    homography = camera.matrix @ current_from_plane @ plane_from_texel
    image = cv2.warpPerspective(texture, homography, camera.size, borderValue=110).astype(np.float32)
    image[~camera_sees_plane(current_T_desired, DEPTH, camera)] = 110
    if seed is not None:
        image += np.random.default_rng(seed).normal(0, 2, image.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
