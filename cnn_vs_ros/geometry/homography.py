"""The homography that a plane induces between two views, and image warps through it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import PoseError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.geometry.camera import PinholeCamera

Array = NDArray[np.float64]

FRONTO_PARALLEL = (0.0, 0.0, 1.0)
_CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
_PARTS = (1.0, 0.75, 0.5, 0.25)  # of a view's size
_HORIZON = 0.2  # share of the depth at a view's middle: what is nearer lies close to the horizon of its image
_LEAST_COSINE = 0.2  # of the angle between a plane's normal and the optical axis: 78 degrees


def plane_homography(
    current_T_desired: Array,
    depth: float,
    desired_camera: PinholeCamera,
    current_camera: PinholeCamera | None = None,
    normal: ArrayLike = FRONTO_PARALLEL,
) -> Array:
    """Homography (3, 3) that takes pixels of the desired view to pixels of the current view.

    The scene is the plane ``normal . X = depth`` in the desired camera frame (metres; by default
    fronto-parallel at `depth`): ``H = K_c (R + t n^T / depth) K_d^-1`` with ``X_c = R X_d + t``.
    """
    if not depth > 0:
        raise PoseError(f'depth should be positive metres but is {depth}')
    current_camera = current_camera or desired_camera
    rotation, translation = current_T_desired[:3, :3], current_T_desired[:3, 3]
    euclidean = rotation + np.outer(translation, np.asarray(normal, dtype=np.float64)) / depth
    return current_camera.matrix @ euclidean @ desired_camera.inverse_matrix


def map_pixels(homography: Array, pixels: Array) -> Array:
    """Where a homography (3, 3) takes pixels (N, 2); what it takes to infinity is not finite."""
    moved = np.column_stack([pixels, np.ones(len(pixels))]) @ homography.T
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.asarray(moved[:, :2] / moved[:, 2:])


def image_shift(
    first: Array, second: Array, depth: float, desired_camera: PinholeCamera, normal: ArrayLike = FRONTO_PARALLEL
) -> float:
    """Pixels, root mean square, between where two poses ``current_T_desired`` (4, 4) show the view's corners.

    Of a view that runs to the horizon of a pose, or behind it, the corners of its largest middle part that does
    not are compared; infinite where there is none. The scene is the plane ``normal . X = depth`` as in
    `plane_homography`.
    """
    moving = [plane_homography(pose, depth, desired_camera, normal=normal) for pose in (first, second)]
    middle = np.array([desired_camera.width / 2, desired_camera.height / 2])
    for part in _PARTS:
        corners = middle + part * _CORNERS * middle
        moved = [np.column_stack([corners, np.ones(4)]) @ homography.T for homography in moving]
        ahead = [homography[2] @ (*middle, 1.0) for homography in moving]
        if all((m[:, 2] > max(1e-6, _HORIZON * a)).all() for m, a in zip(moved, ahead, strict=True)):
            shown = [m[:, :2] / m[:, 2:] for m in moved]
            return float(np.sqrt(np.mean(np.sum((shown[0] - shown[1]) ** 2, axis=1))))
    return float('inf')


def camera_sees_plane(
    current_T_desired: Array,
    depth: float,
    current_camera: PinholeCamera,
    normal: ArrayLike = FRONTO_PARALLEL,
) -> np.ndarray:
    """Boolean mask (H, W) of the current pixels whose ray meets the plane in front of the camera.

    Without it a homography also draws the points behind the camera, mirrored through its centre.
    """
    normal_current = current_T_desired[:3, :3] @ np.asarray(normal, dtype=np.float64)
    distance = depth + float(normal_current @ current_T_desired[:3, 3])
    coefficients = normal_current @ current_camera.inverse_matrix
    columns, rows = np.arange(current_camera.width), np.arange(current_camera.height)
    along_ray = coefficients[0] * columns + (coefficients[1] * rows + coefficients[2])[:, None]
    return along_ray * np.sign(distance) > 1e-9


def warp_plane(
    image: np.ndarray,
    current_T_desired: Array,
    depth: float,
    camera: PinholeCamera,
    *,
    current_camera: PinholeCamera | None = None,
    normal: ArrayLike = FRONTO_PARALLEL,
    fill: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the desired view `image` (H, W[, C]) as the current camera would see it.

    Returns the warped image (H', W'[, C]) and the boolean mask (H', W') of pixels that show `image`; elsewhere
    the warped image is `fill`.
    """
    camera.check_image(image)
    current_camera = current_camera or camera
    homography = plane_homography(current_T_desired, depth, camera, current_camera, normal)
    border = (fill,) * 3 if image.ndim == 3 else (fill,)
    warped = cv2.warpPerspective(image, homography, current_camera.size, borderValue=border)
    inside = cv2.warpPerspective(
        np.ones(image.shape[:2], np.uint8), homography, current_camera.size, flags=cv2.INTER_NEAREST
    )
    mask = (inside > 0) & camera_sees_plane(current_T_desired, depth, current_camera, normal)
    warped[~mask] = fill
    return warped, mask


def pose_from_homography(
    homography: Array, camera: PinholeCamera, depth: float, normal: ArrayLike = FRONTO_PARALLEL
) -> Array:
    """``current_T_desired`` (4, 4) nearest to a homography of the plane ``normal . X = depth`` (metres).

    `homography` (3, 3) takes desired to current pixels, at any scale and sign. ``K^-1 H K ~ R + t n^T / depth``
    turns directions in the plane by R alone: two of them fix the scale and, orthonormalised, the rotation. Raises
    PoseError for a degenerate homography.
    """
    euclidean = camera.inverse_matrix @ np.asarray(homography, dtype=np.float64) @ camera.matrix
    # The plane stays in front of both cameras, so the determinant, depth_c / depth, is positive.
    if np.linalg.det(euclidean) < 0:
        euclidean = -euclidean
    across = np.asarray(normal, dtype=np.float64)
    length = float(np.linalg.norm(across))
    across = across / length
    first = np.cross((0.0, 1.0, 0.0), across)
    first /= np.linalg.norm(first)
    plane_axes = np.column_stack([first, np.cross(across, first), across])
    moved = euclidean @ plane_axes
    scale = 0.5 * (np.linalg.norm(moved[:, 0]) + np.linalg.norm(moved[:, 1]))
    if not np.isfinite(scale) or scale < 1e-9:
        raise PoseError('homography should be invertible but directions in the plane vanish')
    moved = moved / scale
    turned = np.column_stack([moved[:, 0], moved[:, 1], np.cross(moved[:, 0], moved[:, 1])])
    rotation = se3.nearest_rotation(turned @ plane_axes.T)
    return se3.transform(rotation, (moved[:, 2] - rotation @ across) * depth / length)


def decompose_homography(
    homography: Array, camera: PinholeCamera, depth: float, least_cosine: float = _LEAST_COSINE
) -> list[tuple[Array, Array]]:
    """Poses ``current_T_desired`` (4, 4) and normals (3,) that a homography leaves open, one or two of them.

    The normals are scaled to a third entry of 1, so that the plane is ``normal . X = depth`` with `depth` metres
    along the optical axis. Left out is what the desired camera would not see from the front, at
    `least_cosine` between normal and optical axis. (E. Malis and M.
    Vargas, Deeper understanding of the homography decomposition for vision-based control, INRIA 2007; OpenCV's own
    code.)
    """
    _, rotations, translations, normals = cv2.decomposeHomographyMat(
        np.asarray(homography, dtype=np.float64), camera.matrix
    )
    found = []
    for rotation, translation, unit in zip(rotations, translations, normals, strict=True):
        along_axis = float(unit[2, 0])
        if along_axis > least_cosine:
            pose = se3.transform(se3.nearest_rotation(rotation), translation[:, 0] * depth * along_axis)
            found.append((pose, unit[:, 0] / along_axis))
    return found
