"""From relative pose to twist, and from twist to joint velocities.

Imports nothing of ours but `geometry` and `foreign`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnn_vs_ros.control.convergence import Convergence
from cnn_vs_ros.control.gain import AdaptiveGain
from cnn_vs_ros.control.jump_guard import JumpGuard
from cnn_vs_ros.control.limits import TwistLimiter
from cnn_vs_ros.control.motion_history import MotionHistory
from cnn_vs_ros.control.pbvs import PbvsLaw
from cnn_vs_ros.control.probing import ProbingLimits, ProbingMotion
from cnn_vs_ros.control.retreat import Retreat
from cnn_vs_ros.control.search import Search
from cnn_vs_ros.control.servo import LostBehaviour, Servo, ServoStatus
from cnn_vs_ros.control.shaping import DemandShaping
from cnn_vs_ros.control.workspace import Workspace

if TYPE_CHECKING:
    from cnn_vs_ros.control.differential_ik import DifferentialIk

__all__ = [
    'AdaptiveGain',
    'Convergence',
    'DemandShaping',
    'DifferentialIk',
    'JumpGuard',
    'LostBehaviour',
    'MotionHistory',
    'PbvsLaw',
    'ProbingLimits',
    'ProbingMotion',
    'Retreat',
    'Search',
    'Servo',
    'ServoStatus',
    'TwistLimiter',
    'Workspace',
]


def __getattr__(name: str) -> Any:
    # Pinocchio takes a good part of a second to import, and only joint-space users need it.
    if name == 'DifferentialIk':
        from cnn_vs_ros.control.differential_ik import DifferentialIk

        return DifferentialIk
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
