"""Command: move the arm by MoveIt to a named pose, to a start near one, or to joint values, and end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from rclpy.utilities import remove_ros_args

from cnn_vs_ros import frames
from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.errors import ParameterError, ResourceError, VisualServoingError
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.simulation import draw_start
from cnn_vs_ros.simulation.starts import followed_joint_positions

Joints = dict[str, float]


class PlannedArm(Protocol):
    """An arm that plans its motions clear of collisions."""

    @property
    def urdf(self) -> str:
        """Robot description."""

    def named(self, name: str) -> Mapping[str, float]:
        """Joint positions of a named pose, radians. Raises ParameterError when there is none."""

    def move(self, joints: Mapping[str, float], speed: float) -> None:
        """Plan and go to joint positions, radians. Raises ParameterError when that fails."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(prog='move_arm', description=__doc__)
    target = result.add_mutually_exclusive_group(required=True)
    target.add_argument('--to', metavar='POSE', help='a named pose of the SRDF, for example reference')
    target.add_argument('--batch', type=int, help='a start of the benchmark: difficulty, 0 to 9 (with --seed)')
    target.add_argument(
        '--offset',
        nargs=6,
        type=float,
        metavar=('X', 'Y', 'Z', 'RX', 'RY', 'RZ'),
        help='pose of the camera in the reference camera: translation (mm) and theta u (degrees)',
    )
    target.add_argument('--joints', nargs='+', metavar='JOINT=RADIANS', help='joint values; the others stay')
    result.add_argument('--seed', type=int, default=0, help='which start of the batch')
    result.add_argument('--reference', default='reference', help='named pose that starts and offsets are about')
    result.add_argument('--group', default='arm', help='planning group')
    result.add_argument('--camera', default=frames.CAMERA, help='link that --batch and --offset place')
    result.add_argument('--speed', type=float, default=0.2, help='part of the velocity limits, over 0 to 1')
    result.add_argument(
        '--table', type=float, metavar='Z', help='keep clear of a table at this height of the planning frame, m'
    )
    return result


def goal(options: argparse.Namespace, arm: PlannedArm) -> Joints:
    """Return the joint positions that the command line asks for.

    A start or an offset is followed from the reference pose in a straight line of the camera, so that a visual
    servo can come back along it.

    Raises:
        VisualServoingError: unknown pose or joint, malformed value, or a pose out of reach.
    """
    if options.to is not None:
        return dict(arm.named(options.to))
    if options.joints is not None:
        return parsed_joints(options.joints)
    if options.offset is not None:
        offset = np.array(options.offset)
        reference_T_camera = se3.from_pose_vector([*offset[:3] / 1000.0, *np.radians(offset[3:])])
    else:
        reference_T_camera = draw_start(options.batch, options.seed)
    kinematics = DifferentialIk(arm.urdf, options.camera)
    reference = arm.named(options.reference)
    missing = [name for name in kinematics.joint_names if name not in reference]
    if missing:
        raise ParameterError(f'pose {options.reference} should place {", ".join(missing)} but does not')
    q = np.array([reference[name] for name in kinematics.joint_names])
    q = followed_joint_positions(kinematics, q, kinematics.pose(q) @ reference_T_camera)
    return dict(zip(kinematics.joint_names, map(float, q), strict=True))


def parsed_joints(texts: Sequence[str]) -> Joints:
    """Return joint positions of texts such as elbow_joint=1.2. Raises ParameterError for any other."""
    joints: Joints = {}
    for text in texts:
        name, _, value = text.partition('=')
        try:
            joints[name] = float(value)
        except ValueError as error:
            raise ParameterError(f'joint value should be JOINT=RADIANS but is {text!r}') from error
        if not name or not np.isfinite(joints[name]):
            raise ParameterError(f'joint value should be JOINT=RADIANS but is {text!r}')
    return joints


def installed_arm(group: str, table: float | None) -> PlannedArm:
    """Return the arm that MoveIt plans for. Raises ResourceError where moveit_py is not installed."""
    try:
        from cnn_vs_ros.nodes.move_arm_moveit import MoveItArm
    except ImportError as error:
        raise ResourceError(
            'move_arm needs the package moveit_py, which comes with MoveIt (rosdep install, or the Debian package '
            f'ros-jazzy-moveit-py), but it cannot be imported: {error}'
        ) from error
    return MoveItArm(group, table)


def main(args: Sequence[str] | None = None) -> int:
    """Move the arm; return 0 when it is there, 1 with a sentence when not."""
    options = parser().parse_args(remove_ros_args(sys.argv if args is None else ['move_arm', *args])[1:])
    try:
        if not 0.0 < options.speed <= 1.0:
            raise ParameterError(f'speed should be over 0 and at most 1 but is {options.speed}')
        arm = installed_arm(options.group, options.table)
        joints = goal(options, arm)
        arm.move(joints, options.speed)
    except VisualServoingError as error:
        print(f'move_arm: {error}', file=sys.stderr)
        return 1
    print('move_arm: there,', ', '.join(f'{name} {value:.4f}' for name, value in joints.items()))
    return 0


if __name__ == '__main__':
    sys.exit(main())
