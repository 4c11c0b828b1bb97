"""The embedded robot: a MuJoCo arm with a camera at its wrist, scenes, perturbations and start poses."""

from cnn_vs_ros.simulation.description import load_robot_description
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.robot import SimulatedRobot
from cnn_vs_ros.simulation.scenes import SCENES
from cnn_vs_ros.simulation.starts import draw_start

__all__ = ['SCENES', 'SimulatedRobot', 'SimulationError', 'draw_start', 'load_robot_description']
