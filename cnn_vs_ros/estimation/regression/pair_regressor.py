"""The scene-agnostic regressor: two images in, their relative pose out (paper, section IV)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.model_file import ModelFile
from cnn_vs_ros.estimation.pyramid import to_grey
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.regression.regressor import TRAINED_RANGE, pose_vector_of, regressed_vector
from cnn_vs_ros.geometry import PinholeCamera, se3

Array = NDArray[np.float64]

KIND = 'pose_pair_regressor'


class PairNetwork:
    """The network of a `pose_pair_regressor` model.

    Raises ModelError for another kind of model, or one without the metadata of its kind.
    """

    def __init__(self, model: ModelFile) -> None:
        if model.kind != KIND:
            raise ModelError(f'model {model.path} should be a {KIND} but is a {model.kind}')
        self.name, self.path = model.name, model.path
        width, height = model.whole('input_width'), model.whole('input_height')
        focal = model.number('focal')
        self.camera = PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
        self.deviations = pose_vector_of(model, 'deviations')
        self.errors = pose_vector_of(model, 'errors')
        self._model = model

    def view(self, image: np.ndarray, camera: PinholeCamera) -> np.ndarray:
        """Grey view (H, W) float32 that the network's own ideal camera would take where `camera` took `image`."""
        grey = camera.undistort(to_grey(image))
        homography = self.camera.matrix @ np.linalg.inv(camera.undistorted.matrix)
        shrink = camera.fx / self.camera.fx
        if shrink > 1.5:  # bilinear samples of a much larger image would be noisy
            grey = cv2.GaussianBlur(grey, (0, 0), 0.4 * shrink)
        view = cv2.warpPerspective(grey, homography, self.camera.size, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(view, np.float32)

    def vector(self, current: np.ndarray, desired: np.ndarray) -> Array | None:
        """[t; theta u] (6,) of ``desired_T_current`` of two views (H, W) in depths and radians; None: in doubt."""
        return regressed_vector(self._model, np.stack([current, desired])[None])


class PairRegressor:
    """The relative pose of an image and the desired one, by one inference on both; for any scene."""

    def __init__(self, network: PairNetwork, desired: Reference) -> None:
        self.network = network
        self._camera, self._depth = desired.camera, desired.depth
        self._desired = network.view(desired.image, desired.camera)

    def pose(self, image: np.ndarray) -> Array | None:
        """``desired_T_current`` (4, 4) of an image; None when in doubt or outside what was trained."""
        vector = self.network.vector(self.network.view(image, self._camera), self._desired)
        if vector is None or not (np.abs(vector) <= TRAINED_RANGE * self.network.deviations).all():
            return None
        return se3.from_pose_vector(vector * self._unit)

    @property
    def covariance(self) -> Array:
        """Covariance (6, 6) of an answer, from the errors on the validation pairs (m^2, rad^2)."""
        return np.diag(np.square(self.network.errors * self._unit))

    @property
    def _unit(self) -> Array:
        return np.array([self._depth] * 3 + [1.0] * 3)
