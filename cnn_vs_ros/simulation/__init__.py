"""The embedded robot: a MuJoCo arm with a camera at its wrist, scenes, perturbations and start poses."""

from cnn_vs_ros.simulation.description import load_robot_description
from cnn_vs_ros.simulation.errors import SimulationError
from cnn_vs_ros.simulation.robot import SimulatedRobot
from cnn_vs_ros.simulation.scenes import SCENES

__all__ = ['SCENES', 'SimulatedRobot', 'SimulationError', 'load_robot_description']
