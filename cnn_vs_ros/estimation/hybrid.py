"""Regressor far from the goal, photometric alignment close to it (paper, section V-C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ParameterError, ReferenceFolderError
from cnn_vs_ros.estimation.confidence import Match, judge
from cnn_vs_ros.estimation.estimator import PoseEstimator
from cnn_vs_ros.estimation.model_file import ModelFile
from cnn_vs_ros.estimation.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.pair_regressor import PairNetwork, PairRegressor
from cnn_vs_ros.estimation.photometric import ACQUIRE_STAGES, PhotometricAlignment
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.regressor import RegressorNetwork, RelativeRegressor
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3

Array = NDArray[np.float64]


@dataclass
class Switch:
    """When the photometric alignment has the word, and when the regressor.

    The alignment takes over when the pose is nearer to the goal than `enter_distance` and the alignment shows the
    reference with a probability above `enter_probability`; it gives back beyond `leave_distance`, or when the
    probability falls below `leave_probability`, and then waits for `rest` images. Distance is the translation in
    depths of the scene plus the rotation in radians. Both gaps, and the rest, keep it from chattering. Raises
    ParameterError when a gap is not one.
    """

    enter_distance: float = 0.4
    leave_distance: float = 0.8
    enter_probability: float = 0.6
    leave_probability: float = 0.3
    rest: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.enter_distance < self.leave_distance:
            raise ParameterError(
                'enter_distance should be positive and below leave_distance '
                f'but they are {self.enter_distance} and {self.leave_distance}'
            )
        if not 0 <= self.leave_probability < self.enter_probability <= 1 or self.rest < 0:
            raise ParameterError(
                'leave_probability should be below enter_probability and rest not negative '
                f'but they are {self.leave_probability}, {self.enter_probability} and {self.rest}'
            )
        self.reset()

    def reset(self) -> None:
        """Give the word to the regressor, without a rest."""
        self.fine = False
        self._resting = 0

    def may_enter(self, distance: float) -> bool:
        """Whether, at `distance` by the regressor, it is worth asking the alignment; counts the rest down."""
        if self._resting:
            self._resting -= 1
            return False
        return not self.fine and distance < self.enter_distance

    def update(self, distance: float, probability: float) -> bool:
        """Take an alignment's distance and probability; return whether it has the word now."""
        if self.fine:
            if distance > self.leave_distance or not probability > self.leave_probability:
                self.fine, self._resting = False, self.rest
        elif distance < self.enter_distance and probability > self.enter_probability:
            self.fine = True
        return self.fine


class HybridEstimator(PoseEstimator):
    """Pose estimator with a regressor, of one scene or of image pairs.

    Far from the goal the regressor's pose is taken, close to it the photometric one.
    With `photometric` False the regressor alone. Poses of the regressor have status ACQUIRED, the covariance of
    its validation and confidence 0: it cannot tell whether it is right. `details['photometric']` is 1 when the
    alignment has the word.
    """

    def __init__(
        self, network: RegressorNetwork | PairNetwork, *, photometric: bool = True, switch: Switch | None = None
    ) -> None:
        self._regressor_network = network
        self._regressor: RelativeRegressor | PairRegressor | None = None
        self._photometric = photometric
        self.switch = switch or Switch()
        self._start()

    @classmethod
    def of_model(cls, model: ModelFile) -> HybridEstimator:
        """Estimator of a `pose_regressor` or `pose_pair_regressor` model. Raises ModelError for another."""
        return cls(PairNetwork(model) if model.kind == PAIR_KIND else RegressorNetwork(model))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._regressor_network.name

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image; for a scene's regressor one near that which it was trained for.

        Raises ModelError when it is of another camera, or outside what was trained.
        """
        network = self._regressor_network
        if isinstance(network, PairNetwork):
            self._regressor = PairRegressor(network, reference)
        else:
            self._regressor = RelativeRegressor(network, reference)
        self._aligner = PhotometricAlignment(ImagePyramid(reference.image, reference.camera), reference.depth)
        self._reference = reference
        self._last = np.eye(4)
        self.reset()

    def reset(self) -> None:
        """Forget the track: the next image is the regressor's."""
        super().reset()
        self.switch.reset()

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image`; as `PoseEstimator.estimate`."""
        if self._reference is None or self._aligner is None or self._regressor is None:
            raise ReferenceFolderError('a reference should be set before estimating: capture or load one')
        pyramid = ImagePyramid(image, self._reference.camera)
        motion = self._motion if motion is None else se3.as_transform(motion, 'motion')
        if self.switch.fine:
            found = self._follow(self._aligner, pyramid, motion)
            if self._fine(found, self._aligner):
                return self._answer(found, PoseStatus.TRACKED)
        pose = self._regressor.pose(image)
        if pose is None:
            self._forget()
            self.details = {'confidence': 0.0, 'photometric': 0.0}
            return RelativePose(self._last, np.full((6, 6), np.inf), 0.0, PoseStatus.LOST)
        if self._photometric and self.switch.may_enter(self._distance(pose, self._aligner)):
            aligned = self._aligner.align(pyramid, se3.inverse(pose), ACQUIRE_STAGES)
            found = None if aligned is None else judge(aligned, self._aligner.depth)
            if self._fine(found, self._aligner):
                assert found is not None
                self._begin(found)
                return self._answer(found, PoseStatus.ACQUIRED)
        self._forget()
        self._last = pose
        self.details = {'confidence': 0.0, 'photometric': 0.0}
        return RelativePose(pose, self._regressor.covariance, 0.0, PoseStatus.ACQUIRED)

    def _fine(self, found: Match | None, aligner: PhotometricAlignment) -> bool:
        if found is None:
            return self.switch.update(np.inf, 0.0)
        distance = self._distance(found.alignment.current_T_desired, aligner)
        return self.switch.update(distance, found.probability)

    def _answer(self, found: Match | None, status: PoseStatus) -> RelativePose:
        assert found is not None
        pose = self._report(found, status)
        self.details['photometric'] = 1.0
        return pose

    @staticmethod
    def _distance(pose: Array, aligner: PhotometricAlignment) -> float:
        translation, angle = se3.pose_error(pose)
        return translation / aligner.depth + angle
