"""The page of a check: for people, as JSON, and as an exit status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cnn_vs_ros.arm_check.finding import Finding, Level
from cnn_vs_ros.arm_check.response import AXES, AxisRecord, Response, mount_error
from cnn_vs_ros.arm_check.survey import JointStateSurvey

WRONG_ANGLE, CROOKED_ANGLE = np.radians(20.0), np.radians(6.0)
"""Radians off the commanded direction that no servo stands, and that are worth a look."""

LEAST_GAIN, OFF_GAIN = 0.3, 0.15
"""Part of the commanded way under which nothing moved, and difference from all of it that is worth a look."""

LATE, TOO_LATE = 0.1, 0.3
"""Seconds of delay that call for a lower gain, and with which an arm swings at the default gain."""


@dataclass
class ArmCheck:
    """All that was found of an arm."""

    survey: JointStateSurvey
    publishers: list[str] = field(default_factory=list)
    """Who publishes joint_states, with their quality of service."""
    command_order: list[str] = field(default_factory=list)
    """Joints in the order in which the controller takes them; empty: it did not tell."""
    controller: str = ''
    others: list[Finding] = field(default_factory=list)
    """What the graph gave rise to."""
    records: Sequence[AxisRecord] = ()
    """Of the wiggle; empty: nothing was moved."""

    def findings(self) -> list[Finding]:
        """All sentences, the worst first."""
        found = [*self.survey.findings(), *self.others, *self._of_order(), *self._of_motion()]
        order = [Level.PROBLEM, Level.WARNING, Level.NOTE]
        return sorted(found, key=lambda item: order.index(item.level))

    @property
    def passed(self) -> bool:
        """Whether nothing is in the way of a servo, as far as this was looked at."""
        return not any(item.level is Level.PROBLEM for item in self.findings())

    def _of_order(self) -> list[Finding]:
        joints = self.survey.joints
        if not self.command_order:
            sentence = f'{self.controller} does not tell the order of its joints: set `joints` of differential_ik'
            return [Finding(Level.WARNING, sentence)] if self.controller else []
        if sorted(self.command_order) != sorted(joints):
            sentence = (
                f'{self.controller} should drive {", ".join(joints)} but drives {", ".join(self.command_order)}'
            )
            return [Finding(Level.PROBLEM, sentence)]
        if self.command_order != joints:
            sentence = f'{self.controller} takes another order than the description, which differential_ik heeds'
            return [Finding(Level.NOTE, sentence)]
        return []

    def _of_motion(self) -> list[Finding]:
        found = []
        for record in self.records:
            if record.is_interrupted:
                sentence = (
                    f'{AXES[record.axis]} nothing was sent, or nothing came of the joints, for '
                    f'{record.longest_pause:.2f} s, more than {record.pause_allowed:.2g}: '
                    'is the computer busy? or set a longer period'
                )
                found.append(Finding(Level.PROBLEM, sentence))
                continue
            joints, images = record.by_joints(), record.by_images()
            if joints is not None:
                found += _judged(joints, 'the joints went', 'order and signs of the joints, or the controller')
            # Where the joints went astray the images say nothing more.
            if images is not None and joints is not None and joints.angle < CROOKED_ANGLE:
                found += _judged(
                    images, 'the images went', "the camera's mount in the description, or the images flipped"
                )
        error = self.mount_error
        if error is not None and np.linalg.norm(error) > CROOKED_ANGLE:
            said = ', '.join(f'{value:.0f}' for value in np.degrees(error))
            sentence = (
                f'the mount in the description should be turned by {said} degrees (axis-angle, in the camera)'
            )
            found.append(Finding(Level.NOTE, sentence))
        return found

    @property
    def mount_error(self) -> np.ndarray | None:
        """As `response.mount_error` has it, radians."""
        records = (record for record in self.records if not record.is_interrupted)
        return mount_error([seen for record in records if (seen := record.by_images()) is not None])

    def as_values(self) -> dict[str, object]:
        """Return it for JSON; null where a number is none."""
        return {
            'passed': self.passed,
            'findings': [{'level': item.level.value, 'said': item.sentence} for item in self.findings()],
            'joint_states': {
                'messages': self.survey.messages,
                'publishers': self.publishers,
                'age': _number(self.survey.age),
                'foreign': self.survey.foreign,
                'joints': [
                    {
                        'name': joint.name,
                        'rate': _number(joint.rate),
                        'longest_gap': _number(joint.longest_gap),
                        'position': _number(joint.position),
                        'has_velocity': joint.has_velocity,
                    }
                    for joint in self.survey.each()
                ],
            },
            'controller': {'name': self.controller, 'joints': self.command_order},
            'axes': [
                {
                    'axis': AXES[record.axis],
                    'joints': _response_values(record.by_joints()),
                    'images': _response_values(record.by_images()),
                }
                for record in self.records
            ],
            'mount_error': None if self.mount_error is None else self.mount_error.tolist(),
        }

    def text(self) -> str:
        """Return it as a page."""
        survey = self.survey
        lines = [f'joint_states: {survey.messages} messages, {1e3 * survey.age:.1f} ms after their stamps']
        lines += [f'  published by {publisher}' for publisher in self.publishers]
        width = max(map(len, survey.joints))
        lines += [f'  {"joint":<{width}}  {"Hz":>7}  {"longest gap":>11}  {"at":>8}']
        for joint in survey.each():
            lines.append(
                f'  {joint.name:<{width}}  {joint.rate:7.1f}  {joint.longest_gap:9.3f} s  {joint.position:8.3f}'
            )
        if survey.foreign:
            lines.append(f'  not of the arm: {", ".join(survey.foreign)}')
        if self.command_order:
            lines.append(f'{self.controller} takes {", ".join(self.command_order)}')
        if self.records:
            lines += [
                '',
                f'{"commanded":<10}' + ''.join(f'{who:>14}{"gain":>7}{"late":>8}' for who in ('joints', 'images')),
            ]
            lines += [
                f'{AXES[record.axis]:<10}{_cells(record.by_joints())}{_cells(record.by_images())}'
                for record in self.records
            ]
        else:
            lines.append('nothing was moved')
        lines += ['', *(f'{item.level.value}: {item.sentence}' for item in self.findings())]
        lines.append('passed' if self.passed else 'not passed')
        return '\n'.join(lines)


def _judged(response: Response, went: str, look_at: str) -> list[Finding]:
    axis = AXES[response.axis]
    if response.gain < LEAST_GAIN:
        sentence = f'{went} {100 * response.gain:.0f} % of the way {axis}: is the controller active?'
        return [Finding(Level.PROBLEM, sentence)]
    found = []
    if response.angle > WRONG_ANGLE:
        sentence = f'commanded {axis}, {went} {response.direction}: look at {look_at}'
        found.append(Finding(Level.PROBLEM, sentence))
    elif response.angle > CROOKED_ANGLE:
        sentence = f'commanded {axis}, {went} {np.degrees(response.angle):.0f} degrees off: look at {look_at}'
        found.append(Finding(Level.WARNING, sentence))
    if abs(response.gain - 1.0) > OFF_GAIN:
        sentence = f'commanded {axis}, {went} {100 * response.gain:.0f} % of the way'
        found.append(Finding(Level.WARNING, sentence))
    if response.delay > LATE:
        level = Level.PROBLEM if response.delay > TOO_LATE else Level.WARNING
        sentence = f'commanded {axis}, {went} {response.delay:.2f} s later: lower gain.at_zero'
        found.append(Finding(level, sentence))
    return found


def _cells(response: Response | None) -> str:
    if response is None:
        return f'{"-":>14}{"-":>7}{"-":>8}'
    return (
        f'{response.direction:>5}{np.degrees(response.angle):5.0f} deg{response.gain:7.2f}{response.delay:6.2f} s'
    )


def _response_values(response: Response | None) -> dict[str, object] | None:
    if response is None:
        return None
    return {
        'direction': response.direction,
        'angle': response.angle,
        'gain': response.gain,
        'delay': response.delay,
        'motion': response.motion.tolist(),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
