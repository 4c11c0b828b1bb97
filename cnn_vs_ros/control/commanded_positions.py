"""The joint positions that an arm is commanded to, where its controller takes no velocities."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.control.joint_ramp import LONGEST_STEP
from cnn_vs_ros.control.joint_states import JointStates, within_half_a_turn
from cnn_vs_ros.control.speed_scaling import SpeedScaling
from cnn_vs_ros.errors import JointStateError, ParameterError

Array = NDArray[np.float64]

_RECENT = 0.5
"""Seconds of motion whose lag an arm may still be making up for."""


@dataclass(frozen=True)
class LeadBounds:
    """How far a commanded position may be ahead of the measured one.

    By `tolerance`, rad or m, at rest, and by the way of `lag` seconds at the fastest command of late besides.
    """

    tolerance: float = 0.01
    lag: float = 0.1

    def __post_init__(self) -> None:
        if not (self.tolerance > 0 and self.lag >= 0):
            raise ParameterError(
                'position_tolerance should be positive and position_lag zero or more but are '
                f'{self.tolerance} and {self.lag} s'
            )


class CommandedPositions:
    """Integrates velocities to the positions that an arm is commanded to, from where it is measured to be.

    At rest they stay as they are. An arm that is blocked takes them along: they are never further from it than the
    bounds, nor further beyond a joint limit than it is. One that somebody else moves has them where it is, or it
    would leap when its controller is ours again. While it is not known where the arm is, there are only those of a
    motion that comes to its end.
    """

    def __init__(
        self, kinematics: DifferentialIk, joint_states: JointStates, bounds: LeadBounds, scaling: SpeedScaling
    ) -> None:
        self._kinematics, self._joint_states, self._bounds = kinematics, joint_states, bounds
        self._scaling = scaling
        self._positions: Array | None = None
        self._time = 0.0
        self._speeds: deque[tuple[float, Array]] = deque()

    @property
    def is_at_rest(self) -> bool:
        """Whether no motion was commanded of late, so that the arm has nothing to make up for."""
        return not any(speed.any() for _, speed in self._speeds)

    def step(self, velocities: Array, now: float) -> Array | None:
        """Positions (n,) for velocities (n,) commanded at `now`, seconds; None where the arm may be anywhere."""
        measured = self._measured(now)
        if self._positions is None:
            if measured is None:
                return None
            self._positions, self._time = measured, now
        step, self._time = float(np.clip(now - self._time, 0.0, LONGEST_STEP)), now
        velocities = self._scaling.part(now) * velocities
        self._positions = self._positions + step * velocities
        self._speeds.append((now, np.abs(velocities)))
        while now - self._speeds[0][0] > _RECENT:
            self._speeds.popleft()
        if measured is not None:
            self._positions = self._near(measured, self._positions)
        return None if measured is None and not velocities.any() else self._positions.copy()

    def ahead(self, velocities: Array, seconds: float) -> Array:
        """Positions (n,) after further `seconds` of velocities (n,), within the joint limits."""
        assert self._positions is not None, 'step comes first'
        return self._within(self._positions + seconds * velocities, self._positions)

    def _measured(self, now: float) -> Array | None:
        try:
            return self._joint_states.positions(now)
        except JointStateError:
            return None

    def _near(self, measured: Array, positions: Array) -> Array:
        lead = positions - measured
        lead = np.where(self._kinematics.circular, within_half_a_turn(lead), lead)
        most = self._bounds.tolerance + self._bounds.lag * np.max([speed for _, speed in self._speeds], axis=0)
        if self.is_at_rest and (np.abs(lead) > most).any():
            return measured
        return self._within(measured + np.clip(lead, -most, most), measured)

    def _within(self, positions: Array, known: Array) -> Array:
        lower, upper = self._kinematics.lower, self._kinematics.upper
        return np.clip(positions, np.minimum(lower, known), np.maximum(upper, known))
