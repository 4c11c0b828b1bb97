"""Regressor far from the goal, photometric alignment close to it (paper, section V-C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.estimation.fine.alignment import ACQUIRE_STAGES
from cnn_vs_ros.estimation.fine.confidence import Match, judge
from cnn_vs_ros.estimation.model_file import ModelFile
from cnn_vs_ros.estimation.reference import Reference
from cnn_vs_ros.estimation.regression.pair_regressor import KIND as PAIR_KIND
from cnn_vs_ros.estimation.regression.pair_regressor import PairNetwork, PairRegressor
from cnn_vs_ros.estimation.regression.regressor import RegressorNetwork, RelativeRegressor
from cnn_vs_ros.estimation.scene import Scene, SceneHolder
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


class _RegressedScene(Scene):
    """A scene with the regressor of its poses. Raises ModelError for a reference that it was not made for."""

    def __init__(self, reference: Reference, network: RegressorNetwork | PairNetwork) -> None:
        self.regressor: RelativeRegressor | PairRegressor
        if isinstance(network, PairNetwork):
            self.regressor = PairRegressor(network, reference)
        else:
            self.regressor = RelativeRegressor(network, reference)
        super().__init__(reference)


class HybridEstimator(SceneHolder[_RegressedScene]):
    """Pose estimator with a regressor, of one scene or of image pairs.

    Far from the goal the regressor's pose is taken, close to it the photometric one.
    With `photometric` False the regressor alone. Poses of the regressor have status ACQUIRED, the covariance of
    its validation and confidence None; one in doubt, of a model that tells that, is LOST. `details['photometric']`
    is 1 when the alignment has the word.
    """

    def __init__(
        self, network: RegressorNetwork | PairNetwork, *, photometric: bool = True, switch: Switch | None = None
    ) -> None:
        super().__init__()
        self._network = network
        self._photometric = photometric
        self.switch = switch or Switch()

    @classmethod
    def of_model(cls, model: ModelFile) -> HybridEstimator:
        """Estimator of a `pose_regressor` or `pose_pair_regressor` model. Raises ModelError for another."""
        return cls(PairNetwork(model) if model.kind == PAIR_KIND else RegressorNetwork(model))

    @property
    def name(self) -> str:
        """Name of the model."""
        return self._network.name

    def set_reference(self, reference: Reference) -> None:
        """Take a new desired image; for a scene's regressor one near that which it was trained for.

        Raises ModelError when it is of another camera, or outside what was trained.
        """
        self._scene = _RegressedScene(reference, self._network)
        self.switch.reset()

    def reset(self) -> None:
        """Forget the track: the next image is the regressor's. What is known of the plane is kept."""
        if self._scene is not None:
            self._scene.track.forget()
        self.switch.reset()

    def estimate(self, image: np.ndarray, motion: ArrayLike | None = None) -> RelativePose:
        """Relative pose of the camera that took `image`; as `PoseEstimator.estimate`."""
        scene = self._scene_set()
        track, pyramid = scene.track, scene.pyramid(image)
        found = track.follow(pyramid, None if motion is None else se3.as_transform(motion, 'motion'))
        if self.switch.fine:
            if found is not None and self._is_fine(found):
                return self._found(found, PoseStatus.TRACKED, photometric=1.0)
            if found is None:
                self.switch.update(np.inf, 0.0)
        pose = scene.regressor.pose(image)
        if pose is None:
            track.forget()
            return self._lost(photometric=0.0)
        if self._photometric and self.switch.may_enter(_distance(pose, track.plane.depth)):
            aligned = scene.aligner.align(pyramid, se3.inverse(pose), track.plane, ACQUIRE_STAGES)
            match = None if aligned is None else judge(aligned)
            if match is not None and self._is_fine(match):
                match = track.begin(match, pyramid)
                if track.is_reported:
                    return self._found(match, PoseStatus.ACQUIRED, photometric=1.0)
        track.forget()
        scene.last = pose
        self.details = {'photometric': 0.0}
        return RelativePose(pose, scene.regressor.covariance, None, PoseStatus.ACQUIRED)

    def _is_fine(self, found: Match) -> bool:
        distance = _distance(found.alignment.current_T_desired, found.alignment.plane.depth)
        return self.switch.update(distance, found.probability)


def _distance(pose: Array, depth: float) -> float:
    translation, angle = se3.pose_error(pose)
    return translation / depth + angle
