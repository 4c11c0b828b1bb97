"""What a calibration means, in a sentence: the mount that was believed is right, off, inverted, or turned."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.calibration.solver import Solution
from cnn_vs_ros.geometry import se3

Array = NDArray[np.float64]

AS_IT_IS, INVERTED, SWAPPED = 'as it is', 'inverted', 'swapped axes'
QUARTER, HALF = 'turned by 90 degrees', 'turned by 180 degrees'
NOT_OPTICAL = 'not an optical frame'

_UNIT = 0.02, np.radians(8.0)
"""Metres and radians of disagreement that weigh alike in a comparison of explanations."""

_WORTH = 0.5
"""By so much less must the disagreement be for a special explanation to be believed."""

_HOLDS = 0.5e-3, np.radians(0.05)
"""Metres and radians within which a mount is right, whatever its standard deviation."""

_LATE = 0.005
_BENT = 0.01

optical_T_link = se3.transform([[0, -1, 0], [0, 0, -1], [1, 0, 0]], np.zeros(3))
"""REP-103: a camera's link looks along x with z up, its optical frame along z with y down."""


@dataclass(frozen=True)
class Verdict:
    """How the believed mount explains the measured one: a `kind`, and metres and radians that remain."""

    kind: str
    distance: float
    angle: float


def explain(believed: Array, measured: Array) -> Verdict:
    """Verdict on a believed ``flange_T_camera`` (4, 4) by a measured one."""
    explanations = [(AS_IT_IS, believed), (INVERTED, se3.inverse(believed)), *_turned(believed)]
    judged = [(kind, *se3.pose_error(se3.inverse(mount) @ measured)) for kind, mount in explanations]
    cost = [distance / _UNIT[0] + angle / _UNIT[1] for _, distance, angle in judged]
    best = int(np.argmin(cost))
    return Verdict(*judged[best if cost[best] < cost[0] - _WORTH and cost[best] < 0.5 * cost[0] else 0])


def _turned(believed: Array) -> list[tuple[str, Array]]:
    """The believed mount with each other choice of its axes."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.zeros((3, 3))
            turn[np.arange(3), order] = signs
            if np.linalg.det(turn) < 0 or (turn == np.eye(3)).all():
                continue
            kind = SWAPPED
            if turn[2, 2] > 0:
                kind = HALF if turn[0, 0] < 0 else QUARTER
            elif np.allclose(turn, optical_T_link[:3, :3].T):
                kind = NOT_OPTICAL
            found.append((kind, believed @ se3.transform(turn, np.zeros(3))))
    return found


def sentences(solution: Solution, believed: Array | None, believed_delay: float = 0.0) -> list[str]:
    """The verdict in words: about the mount, the stamps, the lens and what was refused."""
    said = [_of_mount(solution, believed), *_of_stamps(solution, believed_delay)]
    bend, sigma = solution.lens.get('k1', (0.0, 0.0))
    if abs(bend) > max(_BENT, 4 * sigma):
        said.append(f'the lens bends by k1 = {bend:.3f}, of which its calibration does not know')
    return [*said, *solution.refused]


def holds(solution: Solution, believed: Array) -> bool:
    """Whether the believed mount is right, as far as the measurement can tell."""
    step = se3.pose_vector(se3.inverse(believed) @ solution.mount)
    deviations = np.sqrt(np.diag(solution.mount_covariance))
    distance, angle = se3.pose_error(se3.inverse(believed) @ solution.mount)
    surely_off = (np.abs(step) > 4 * deviations).any()
    return not surely_off or (distance < _HOLDS[0] and angle < _HOLDS[1])


def _of_mount(solution: Solution, believed: Array | None) -> str:
    distance, angle = solution.sigma
    sure = f'(standard deviations {1e3 * distance:.2f} mm, {np.degrees(angle):.3f} degrees)'
    if believed is None:
        return f'the robot description has no mount to compare with: here is one {sure}'
    verdict = explain(believed, solution.mount)
    off = f'{1e3 * verdict.distance:.1f} mm and {np.degrees(verdict.angle):.2f} degrees'
    if verdict.kind == AS_IT_IS:
        if holds(solution, believed):
            return f'the calibration holds: {off} {sure}'
        return f'the mount is off by {off} {sure}'
    what = {
        INVERTED: 'looks inverted: camera_T_flange was written for flange_T_camera',
        QUARTER: 'looks turned by 90 degrees about the optical axis',
        HALF: 'looks turned by 180 degrees about the optical axis',
        NOT_OPTICAL: 'looks like that of a camera link (x forward), not of an optical frame (z forward)',
        SWAPPED: 'looks to have swapped axes',
    }[verdict.kind]
    return f'the mount {what}; with that set right it is off by {off} {sure}'


def _of_stamps(solution: Solution, believed_delay: float) -> list[str]:
    if solution.delay is None or solution.delay_sigma is None:
        return []
    late = solution.delay - believed_delay
    if abs(late) < max(_LATE, 4 * solution.delay_sigma):
        return []
    word = 'late' if late > 0 else 'early'
    return [f'stamps are {1e3 * abs(late):.0f} ms {word} (standard deviation {1e3 * solution.delay_sigma:.1f} ms)']
