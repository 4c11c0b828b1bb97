"""Random views of a plane texture, with the homographies that relate them and what of each is visible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from cnn_vs_ros import geometry
from training.images import lighting, occlusion, sensor


@dataclass(frozen=True)
class ViewSampling:
    """How views are drawn; lengths are in units of the plane's depth.

    The first view of a group plays the reference, nearly facing the plane; the others the current camera.
    `offset` and `tilt` are the standard deviations of the benchmark's hardest batch, (4, 4, 2 cm) at 25 cm and
    20 degrees; a current view takes them times a random share up to `largest_share`. The roll is uniform: the
    runtime describes its reference under 8 rotations, of which the nearest is within 22.5 degrees, so two views
    that differ by twice `roll` cover it. It draws those copies of the reference, turned and at 1 or 0.6 of their
    size, on a plain canvas: so does a share `framed` of the first views.
    """

    width: int = 192
    height: int = 144
    views: int = 4
    offset: tuple[float, float, float] = (0.16, 0.16, 0.08)
    tilt: float = np.deg2rad(20.0)
    largest_tilt: float = np.deg2rad(40.0)
    roll: float = np.deg2rad(15.0)
    zoom: tuple[float, float] = (0.78, 1.35)
    reference_share: float = 0.15
    largest_share: float = 1.15
    recentred: float = 0.6
    framed: float = 0.5
    oblique: float = 0.35
    steepest: float = np.deg2rad(62.0)
    steepest_reference: float = np.deg2rad(45.0)
    oblique_zoom: tuple[float, float] = (0.6, 1.9)
    perturbed: bool = True
    focal: float = 0.0  # focal length in widths; 0: about that of a common camera, varied


@dataclass(frozen=True)
class ViewGroup:
    """Views of one texture.

    Attributes:
        images: (V, H, W) uint8.
        homographies: (V, 3, 3), from texel coordinates to the pixels of each view.
        visible: (V, H, W) bool, pixels that show the texture (no border, no occluder).
        poses: (V, 4, 4), the plane's frame in each camera, lengths in units of the plane's depth; empty where they
            are not known.
    """

    images: np.ndarray
    homographies: np.ndarray
    visible: np.ndarray
    poses: np.ndarray = field(default_factory=lambda: np.empty((0, 4, 4)))


def sample_pose(sampling: ViewSampling, rng: np.random.Generator, *, is_reference: bool) -> np.ndarray:
    """Draw c_T_r (4, 4), the pose of the frame r that faces the plane at depth 1, in a camera frame c."""
    if rng.random() < sampling.oblique:
        return _oblique_pose(sampling, rng, is_reference=is_reference)
    share = rng.uniform(0, sampling.reference_share) if is_reference else rng.uniform(0.1, sampling.largest_share)
    tilt = np.clip(rng.normal(0, sampling.tilt * share, 2), -sampling.largest_tilt, sampling.largest_tilt)
    rotation = geometry.se3.rotation_exp(np.array([0, 0, rng.uniform(-sampling.roll, sampling.roll)]))
    rotation = rotation @ geometry.se3.rotation_exp(np.array([*tilt, 0.0]))
    translation = rng.normal(0, 1, 3) * np.asarray(sampling.offset) * share
    if not is_reference and rng.random() < 0.5:
        translation[2] += np.exp(rng.uniform(*np.log(sampling.zoom))) - 1
    aim = rotation[:, 2] + translation  # the plane's central point, seen from the camera
    if rng.random() < sampling.recentred:
        translation[:2] -= rng.uniform(0.3, 1.0) * aim[:2]
    translation[2] = max(translation[2], 0.45 - rotation[2, 2])
    return geometry.se3.transform(rotation, translation)


def _oblique_pose(sampling: ViewSampling, rng: np.random.Generator, *, is_reference: bool) -> np.ndarray:
    """Draw a pose as `sample_pose` does, tilted about any axis and aimed near the plane's middle."""
    steepest = sampling.steepest_reference if is_reference else sampling.steepest
    angle, axis = rng.uniform(np.deg2rad(15.0), steepest), rng.uniform(0, 2 * np.pi)
    rotation = geometry.se3.rotation_exp(np.array([0, 0, rng.uniform(-sampling.roll, sampling.roll)]))
    rotation = rotation @ geometry.se3.rotation_exp(angle * np.array([np.cos(axis), np.sin(axis), 0.0]))
    zoom = (1.0, 1.0) if is_reference else sampling.oblique_zoom
    distance = np.exp(rng.uniform(*np.log(zoom)))
    aim = np.array([*(0.1 * distance * rng.normal(0, 1, 2)), distance])
    return geometry.se3.transform(rotation, aim - rotation[:, 2])


def sample_group(
    texture: np.ndarray, sampling: ViewSampling, rng: np.random.Generator, tile_of: Callable[[], np.ndarray]
) -> ViewGroup:
    """Render random views of a grey uint8 texture (S, S).

    Args:
        texture: the plane's texture, at least 256 px.
        sampling: ranges of the views.
        rng: random generator.
        tile_of: returns a grey tile to fill an occluder with.
    """
    texture = np.rot90(texture, int(rng.integers(4)))
    texture = np.ascontiguousarray(texture[:, ::-1] if rng.random() < 0.5 else texture)
    reflected = rng.random() < 0.6
    span = rng.uniform(1.0 if reflected else 1.3, 2.5)  # width of the texture in reference view widths
    size = max(64, round(span * sampling.width))
    if size < 0.8 * texture.shape[0]:
        texture = cv2.resize(texture, (size, size), interpolation=cv2.INTER_AREA)
    border = cv2.BORDER_REFLECT if reflected else cv2.BORDER_CONSTANT
    background = float(rng.integers(256))
    varied = float(rng.uniform(0.8, 1.15)) if rng.random() < 0.5 else 0.9375
    camera = _camera(sampling, sampling.focal or varied)
    texel_to_reference = _texel_to_reference(texture.shape[0], size, sampling)
    frame = (sampling.width, sampling.height)
    images, homographies, visible, poses = [], [], [], []
    for index in range(sampling.views):
        pose = sample_pose(sampling, rng, is_reference=index == 0)
        homography = geometry.plane_homography(pose, 1.0, camera) @ texel_to_reference
        view = cv2.warpPerspective(
            texture, homography, frame, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=background
        ).astype(np.float32)
        shown = geometry.camera_sees_plane(pose, 1.0, camera)
        if not reflected:
            inside = np.ones(texture.shape, np.uint8)
            shown &= cv2.warpPerspective(inside, homography, frame, flags=cv2.INTER_NEAREST) > 0
        noise = 3.0 * float(rng.uniform()) ** 2
        if sampling.perturbed and (index > 0 or rng.random() < 0.6):
            view, hidden, noise = perturb(view, rng, tile_of)
            shown &= ~hidden
        if index == 0 and rng.random() < sampling.framed:
            view, hidden = frame_copy(view, rng)
            shown &= ~hidden
        images.append(sensor.expose(view, rng, noise))
        homographies.append(homography)
        visible.append(shown)
        poses.append(pose)
    return ViewGroup(np.stack(images), np.stack(homographies), np.stack(visible), np.stack(poses))


def perturb(
    view: np.ndarray, rng: np.random.Generator, tile_of: Callable[[], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return a float32 view (H, W) under random occluders, lights and optics, the hidden pixels, and a noise."""
    hidden = np.zeros(view.shape, bool)
    if rng.random() < 0.3:
        view = sensor.reduce_contrast(view, rng)
    if rng.random() < 0.5:
        view, hidden = occlusion.occlude(view, rng, float(rng.uniform(0.03, 0.4)), tile_of)
    if rng.random() < 0.6:
        view = lighting.relight(view, rng)
    if rng.random() < 0.3:
        view = sensor.blur(view, rng)
    if rng.random() < 0.3:
        view = sensor.apply_gamma(view, rng)
    return view, hidden, 5.0 * float(rng.uniform()) ** 2


def frame_copy(view: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a view (H, W) with all but a turned, scaled rectangle painted in its mean, and the painted pixels."""
    height, width = view.shape
    scale = rng.uniform(0.55, 1.0)
    rectangle = ((width / 2, height / 2), (scale * width, scale * height), float(rng.uniform(0, 360)))
    mask = np.zeros(view.shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(cv2.boxPoints(rectangle)).astype(np.int32)], 1)
    hidden = mask == 0
    return np.where(hidden, view[~hidden].mean(), view).astype(np.float32), hidden


def _camera(sampling: ViewSampling, focal: float) -> geometry.PinholeCamera:
    """Return a camera of the view's size whose focal length is `focal` image widths."""
    width, height = sampling.width, sampling.height
    return geometry.PinholeCamera(
        width=width, height=height, fx=focal * width, fy=focal * width, cx=(width - 1) / 2, cy=(height - 1) / 2
    )


def _texel_to_reference(texels: int, size: int, sampling: ViewSampling) -> np.ndarray:
    """Return the similarity (3, 3) that centres a texture on the reference view, `size` of its pixels wide."""
    scale = size / texels
    offset_x = (sampling.width - 1) / 2 - scale * (texels - 1) / 2
    offset_y = (sampling.height - 1) / 2 - scale * (texels - 1) / 2
    return np.array([[scale, 0, offset_x], [0, scale, offset_y], [0, 0, 1.0]])
