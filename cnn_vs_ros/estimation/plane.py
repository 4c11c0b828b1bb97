"""What is known of the scene's plane: the depth that the user tells, and what images teach of its slope.

Inverse depth over the reference is affine: ``rho(x, y) = (1 + a x + b y) / Z`` in normalised coordinates, with the
depth Z along the optical axis. The slope (a, b) is the reference's, not an image's: it is learned from one image
to the next, from the parallax of every motion but the last millimetre, at the goal, where it does not show.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.geometry import PinholeCamera, decompose_homography, image_shift, plane_homography, se3

Array = NDArray[np.float64]

PRIOR = 0.3
"""Standard deviation of the slope before anything is known: about 17 degrees."""

STEEPEST = 4.0
"""Greatest slope, 76 degrees: what lies steeper is not followed."""

UTMOST = 1.1 * STEEPEST
"""Slope at which a fit is held, so that one that begins at the steepest has room about it."""

CORRELATED = 25.0
"""Residuals of neighbouring samples are correlated: so many count as one."""

_FREEDOM = 3.0  # degrees of freedom of the belief, as Student's t
_TWINS_APART = np.deg2rad(0.2)  # of the poses; what is nearer is within what a confidence promises
# A belief gets no surer than this deviation, so that it can still be corrected.
_SUREST = 0.01


@dataclass(frozen=True)
class ScenePlane:
    """A plane ``(a, b, 1) . X = depth`` in the desired camera's frame.

    `depth` in metres along the optical axis; `slope` (2,) is the belief (a, b), with its `information` (2, 2), the
    inverse of its covariance. Without them the plane is fronto-parallel, give or take PRIOR.
    """

    depth: float
    slope: Array = field(default_factory=lambda: np.zeros(2))
    information: Array = field(default_factory=lambda: np.eye(2) / PRIOR**2)

    @classmethod
    def with_normal(cls, depth: float, normal: ArrayLike, sigma: float = _SUREST) -> ScenePlane:
        """Plane at `depth` metres with a `normal` (3,) of any length, known to `sigma` radians.

        Raises ReferenceFolderError unless the desired camera sees it from the front, at 76 degrees at most, and
        for a sigma that is not from 0 to pi.
        """
        vector = np.asarray(normal, dtype=np.float64)
        if vector.shape != (3,) or not np.isfinite(vector).all() or not vector.any():
            raise ReferenceFolderError(f'normal should be three numbers, not all 0, but is {normal!r}')
        if not 0.0 <= sigma <= np.pi:
            raise ReferenceFolderError(
                f'standard deviation of a normal should be radians from 0 to pi but is {sigma}'
            )
        vector = vector / np.abs(vector).max()  # of any length
        across, along = float(np.hypot(vector[0], vector[1])), abs(float(vector[2]))
        if not across <= STEEPEST * along:
            raise ReferenceFolderError(
                f'normal should be within {np.degrees(np.arctan(STEEPEST)):.0f} degrees of the optical axis '
                f'but is {np.degrees(np.arctan2(across, along)):.0f} degrees from it'
            )
        slope = vector[:2] / vector[2]
        # A turn by an angle changes the slope by the angle times 1 + slope^2, along it.
        deviation = max(float(sigma), _SUREST) * (1.0 + slope @ slope)
        return cls(depth, slope, np.eye(2) / deviation**2)

    @property
    def normal(self) -> Array:
        """``(a, b, 1)``: the normal (3,), of a length that makes ``normal . X = depth``."""
        return np.array([*self.slope, 1.0])

    @property
    def unit_normal(self) -> Array:
        """Normal (3,) of length 1, away from the desired camera."""
        return np.asarray(self.normal / np.linalg.norm(self.normal))

    def no_steeper_than(self, slope: float) -> ScenePlane:
        """Return the plane with a slope of `slope` at most, known as well."""
        return replace(self, slope=held(self.slope, slope))

    @property
    def sigma(self) -> float:
        """Standard deviation of the normal's direction in radians, along its worse axis."""
        deviation = float(1.0 / np.sqrt(np.linalg.eigvalsh(self.information)[0]))
        return deviation / (1.0 + float(self.slope @ self.slope))

    @property
    def sentence(self) -> str:
        """How the plane is turned, in words."""
        return (
            f'normal {np.degrees(np.arccos(self.unit_normal[2])):.1f} degrees from the optical axis, '
            f'standard deviation {np.degrees(self.sigma):.1f} degrees'
        )

    def at(self, slope: Array) -> ScenePlane:
        """Return the same belief about another slope."""
        return replace(self, slope=slope)

    def twin(self, current_T_desired: Array, camera: PinholeCamera) -> tuple[Array, Array] | None:
        """The other pose (4, 4) and slope (2,) that show the view's points at the same places, if there is one.

        A homography leaves two planes open. None where the other one is seen edge on, or is much the same.
        """
        candidates = decompose_homography(self.homography(current_T_desired, camera), camera, self.depth)
        rays = camera.rays(_inner(camera))
        others = [(pose, normal[:2]) for pose, normal in candidates if (rays @ normal > 0).all()]
        if not others:
            return None
        pose, slope = max(others, key=lambda other: float(np.abs(other[1] - self.slope).max()))
        apart = se3.pose_error(pose @ se3.inverse(current_T_desired))[1]
        return (pose, slope) if apart > _TWINS_APART else None

    def likelihood(self, slope: Array) -> float:
        """Density of the belief at a slope, in units of that at its mean: Student's t."""
        away = slope - self.slope
        return float((1.0 + away @ self.information @ away / _FREEDOM) ** (-0.5 * (_FREEDOM + 2)))

    def drawn_to(self, slope: Array) -> Array:
        """Information (2, 2) with which a fit at `slope` is drawn to the belief.

        The belief has the tails of Student's t: what contradicts it clearly is not held back by it.
        """
        away = slope - self.slope
        return self.information / (1.0 + float(away @ self.information @ away) / _FREEDOM)

    def learned(self, slope: Array, information: Array) -> ScenePlane:
        """Return the belief after an image: its fitted `slope` (2,), and what its residuals tell of it (2, 2).

        The fit was drawn to the belief, so it is the new mean.
        """
        values, axes = np.linalg.eigh(self.information + information / CORRELATED)
        bounded = (axes * np.minimum(values, 1.0 / _SUREST**2)) @ axes.T
        return ScenePlane(self.depth, slope, bounded)

    def homography(self, current_T_desired: Array, camera: PinholeCamera) -> Array:
        """Homography (3, 3) from pixels of the desired view to those of the current one."""
        return plane_homography(current_T_desired, self.depth, camera, normal=self.normal)

    def image_shift(self, first: Array, second: Array, camera: PinholeCamera) -> float:
        """Pixels between where two poses ``current_T_desired`` show the view's corners, root mean square."""
        return image_shift(first, second, self.depth, camera, self.normal)


def held(slope: Array, most: float = UTMOST) -> Array:
    """Slope (2,) that is no steeper than `most`."""
    steepness = float(np.linalg.norm(slope))
    return slope if steepness <= most else np.asarray(slope * (most / steepness))


def _inner(camera: PinholeCamera) -> Array:
    """Corners (4, 2) of the inner half of a camera's image."""
    return np.array([[x * camera.width, y * camera.height] for x in (0.25, 0.75) for y in (0.25, 0.75)])
