"""Parameters that follow from how far the scene is."""

from __future__ import annotations

from typing import Any

import yaml

from cnn_vs_ros.resources import config_path
from cnn_vs_ros.simulation.scenes import DEPTH, find_scene

LOCKSTEP_TIMEOUT = 10.0
"""Seconds of wall time that simulated time waits for a node that has spoken before: a busy machine is slow."""

LENGTHS = {
    'pose_estimator': ('depth',),
    'pbvs_controller': (
        'gain.length',
        'convergence.translation',
        'convergence.linear_velocity',
        'jump.translation',
        'retreat.distance',
    ),
}
"""Parameters of config/servo.yaml that hold at DEPTH from the scene and grow with the distance."""


def scaled_parameters(scene: str | None) -> dict[str, dict[str, Any]]:
    """Return the parameters of simulator, estimator and controller for a scene of the simulator, by node.

    None is the scene that the parameter file names. Raises SimulationError for a scene that there is not.
    """
    result: dict[str, dict[str, Any]] = {
        'simulator': {'lockstep_timeout': LOCKSTEP_TIMEOUT},
        'pose_estimator': {},
        'pbvs_controller': {},
    }
    if scene is None:
        return result
    result['simulator']['scene'] = scene
    depth = find_scene(scene).depth
    if depth != DEPTH:
        shipped = yaml.safe_load(config_path('servo.yaml').read_text())
        for node, names in LENGTHS.items():
            parameters = shipped[f'/**/{node}']['ros__parameters']
            result[node] = {name: _value(parameters, name) * depth / DEPTH for name in names}
    return result


def _value(parameters: dict[str, Any], name: str) -> float:
    for part in name.split('.')[:-1]:
        parameters = parameters[part]
    return float(parameters[name.rpartition('.')[2]])
