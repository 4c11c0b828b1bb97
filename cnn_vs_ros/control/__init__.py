"""From relative pose to twist, and from twist to joint velocities.

Imports nothing of ours but `geometry`, `foreign`, names and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnn_vs_ros.control.arm_link import ArmLink
from cnn_vs_ros.control.convergence import Convergence, ConvergenceSettings
from cnn_vs_ros.control.estimate_gate import EstimateGate, GateSettings, Known
from cnn_vs_ros.control.following import Following, FollowingSettings
from cnn_vs_ros.control.gain import AdaptiveGain
from cnn_vs_ros.control.jump_guard import JumpGuard, JumpSettings
from cnn_vs_ros.control.limits import TwistLimiter, TwistLimits
from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.control.oscillation import Oscillation
from cnn_vs_ros.control.pbvs import PbvsLaw
from cnn_vs_ros.control.retreat import Retreat
from cnn_vs_ros.control.search import Search, is_near_goal
from cnn_vs_ros.control.servo import Servo
from cnn_vs_ros.control.servo_settings import LostBehaviour, LostSettings, ServoSettings
from cnn_vs_ros.control.servo_status import ServoStatus
from cnn_vs_ros.control.twist_exit import ExitSettings, Move, TwistExit
from cnn_vs_ros.control.workspace import Workspace

if TYPE_CHECKING:
    from cnn_vs_ros.control.differential_ik import DifferentialIk

__all__ = [
    'AdaptiveGain',
    'ArmLink',
    'Convergence',
    'ConvergenceSettings',
    'DifferentialIk',
    'EstimateGate',
    'ExitSettings',
    'Following',
    'FollowingSettings',
    'GateSettings',
    'JumpGuard',
    'JumpSettings',
    'Known',
    'LostBehaviour',
    'LostSettings',
    'MotionHistory',
    'Move',
    'Oscillation',
    'PbvsLaw',
    'Retreat',
    'Search',
    'Servo',
    'ServoSettings',
    'ServoStatus',
    'TwistExit',
    'TwistLimiter',
    'TwistLimits',
    'Workspace',
    'is_near_goal',
]


def __getattr__(name: str) -> Any:
    # Pinocchio takes a good part of a second to import, and only joint-space users need it.
    if name == 'DifferentialIk':
        from cnn_vs_ros.control.differential_ik import DifferentialIk

        return DifferentialIk
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
