"""What a ros2_control controller takes as a command."""

from __future__ import annotations

import enum


class CommandInterface(enum.Enum):
    """Joint velocities, joint positions, or trajectories of one point that follow one another."""

    VELOCITY = 'velocity'
    POSITION = 'position'
    TRAJECTORY = 'trajectory'

    @property
    def topic(self) -> str:
        """Name of the commands of the controller that takes them, as ros2_control's examples call it."""
        return _TOPICS[self]

    @property
    def controller(self) -> str:
        """Name of that controller."""
        return self.topic.rpartition('/')[0]


_TOPICS = {
    CommandInterface.VELOCITY: 'forward_velocity_controller/commands',
    CommandInterface.POSITION: 'forward_position_controller/commands',
    CommandInterface.TRAJECTORY: 'joint_trajectory_controller/joint_trajectory',
}
