"""The regressor: a network that knows one scene and tells where the camera is (paper, section III)."""

from __future__ import annotations

import logging

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.model_file import ModelFile
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

KIND = 'pose_regressor'

_CAMERA_TOLERANCE = 0.01  # of the image size, in focal lengths and principal point
TRAINED_RANGE = 4.0
"""Deviations of the training views beyond which an answer is not believed."""

_log = logging.getLogger(__name__)


class RegressorNetwork:
    """The network of a `pose_regressor` model: one image to ``c0_T_c``, the pose in the trained reference's frame.

    Raises ModelError for another kind of model, or one without the metadata of its kind.
    """

    def __init__(self, model: ModelFile) -> None:
        if model.kind != KIND:
            raise ModelError(f'model {model.path} should be a {KIND} but is a {model.kind}')
        self.name, self.path = model.name, model.path
        self.size = model.whole('input_width'), model.whole('input_height')
        self.channels = model.whole('channels', 3)
        self.depth = model.number('depth')
        self.reference_sha256 = model.metadata.get('reference_sha256', '')
        self.deviations = pose_vector_of(model, 'deviations')
        self.errors = pose_vector_of(model, 'errors')
        self._intrinsics = np.array([model.number(name) for name in ('fx', 'fy', 'cx', 'cy')])
        self._model = model

    def check(self, reference: Reference) -> str:
        """Return a sentence to warn with when `reference` is not the trained one, else an empty one.

        Raises ModelError when the camera is another, for which the network's answers would be wrong.
        """
        camera = reference.camera.undistorted.resized(*self.size)
        found = np.array([camera.fx, camera.fy, camera.cx, camera.cy])
        differences = np.abs(found - self._intrinsics) / np.array([*self.size, *self.size])
        if not (differences < _CAMERA_TOLERANCE).all():
            raise ModelError(
                f'model {self.path} was trained for a camera with fx, fy, cx, cy = '
                f'{np.round(self._intrinsics, 1)} at {self.size[0]}x{self.size[1]} '
                f'but the reference has {np.round(found, 1)}: train it for this camera'
            )
        if reference.sha256 == self.reference_sha256:
            return ''
        return (
            f'model {self.path} was trained for another reference image: '
            'it is right only if the two show the same scene from nearby poses'
        )

    def pose(self, image: np.ndarray, camera: PinholeCamera) -> Array | None:
        """Regress ``c0_T_c`` (4, 4) of `image` (H, W[, 3]) uint8, as `camera` delivered it; None when in doubt."""
        image = camera.undistort(image if self.channels == 3 and image.ndim == 3 else to_grey(image))
        small = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)
        if small.ndim == 2:
            small = np.repeat(small[..., None], self.channels, axis=2)
        planes = np.ascontiguousarray(np.moveaxis(small, 2, 0), dtype=np.float32)[None]
        vector = regressed_vector(self._model, planes)
        return None if vector is None else se3.from_pose_vector(vector)

    def in_range(self, pose: Array) -> bool:
        """Whether ``c0_T_c`` (4, 4) lies among the views that the network was trained on."""
        return bool((np.abs(se3.pose_vector(pose)) <= TRAINED_RANGE * self.deviations).all())


def regressed_vector(model: ModelFile, images: np.ndarray) -> Array | None:
    """[t; theta u] (6,) that a regressor gives for `images` (1, C, H, W) float32; None when that is not finite.

    None as well where the model tells its doubt and it is above the ``most_doubt`` of its metadata. Raises
    ModelError as `ModelFile.run` does.
    """
    if 'most_doubt' not in model.metadata:
        (found,), doubt, most = model.run({'pose': 2}, images), 0.0, 0.0
    else:
        found, told = model.run({'pose': 2, 'doubt': 1}, images)
        doubt, most = float(told[0]), model.number('most_doubt')
    if found.shape != (1, 6):
        raise ModelError(f'model {model.path}: pose should be (1, 6) but is {found.shape}')
    vector = np.asarray(found[0], np.float64)
    return vector if np.isfinite(vector).all() and doubt <= most else None


def pose_vector_of(model: ModelFile, key: str) -> Array:
    """Metadata entry `key`, six positive numbers (6,). Raises ModelError for anything else."""
    try:
        vector = np.asarray(model.structure(key), np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (6,) or not np.isfinite(vector).all() or (vector <= 0).any():
        raise ModelError(f'model {model.path} should state six positive numbers as {key!r} in its metadata')
    return vector


class RelativeRegressor:
    """The relative pose of two images by two inferences: ``c*_T_c = inv(c0_T_c*) c0_T_c`` (paper, section III).

    The desired image need not be the trained reference, only near it. Where the desired image and the current one
    are alike the errors of the two inferences cancel. Raises ModelError when the network does not know the desired
    image, or places it outside the views that it was trained on.
    """

    def __init__(self, network: RegressorNetwork, desired: Reference) -> None:
        self.network = network
        self._camera = desired.camera
        warning = network.check(desired)
        if warning:
            _log.warning(warning)
        c0_T_desired = network.pose(desired.image, desired.camera)
        if c0_T_desired is None:
            raise ModelError(
                f'model {network.path} should know the desired image but does not: train it for this reference'
            )
        if not network.in_range(c0_T_desired):
            distance, angle = se3.pose_error(c0_T_desired)
            raise ModelError(
                f'model {network.path} places the desired image {1e3 * distance:.0f} mm and '
                f'{np.rad2deg(angle):.0f} degrees from the reference that it was trained for, outside its '
                'training: train it for this reference'
            )
        self._desired_T_c0 = se3.inverse(c0_T_desired)

    @property
    def covariance(self) -> Array:
        """Covariance (6, 6) of an answer, from the errors on the validation views (m^2, rad^2)."""
        return np.diag(np.square(self.network.errors))

    def pose(self, image: np.ndarray) -> Array | None:
        """``desired_T_current`` (4, 4) of an image; None when in doubt or outside what was trained."""
        c0_T_current = self.network.pose(image, self._camera)
        if c0_T_current is None or not self.network.in_range(c0_T_current):
            return None
        return np.asarray(self._desired_T_c0 @ c0_T_current)
