"""The embedded robot: a MuJoCo arm with a camera at its wrist, scenes, perturbations and start poses."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn_vs_ros.simulation.description import load_robot_description
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.scenes import SCENES
from cnn_vs_ros.simulation.starts import draw_start

if TYPE_CHECKING:
    from cnn_vs_ros.simulation.robot import SimulatedRobot

__all__ = ['SCENES', 'SimulatedRobot', 'SimulationError', 'draw_start', 'load_robot_description']


def __getattr__(name: str) -> Any:
    # Imported when first used: who only draws a start or reads the description needs no MuJoCo.
    if name == 'SimulatedRobot':
        return import_module(f'{__name__}.robot').SimulatedRobot
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
