"""Parameters that follow from how far the scene is."""

from __future__ import annotations

from typing import Any

from cnn_vs_ros.simulation.scenes import DEPTH, find_scene

LOCKSTEP_TIMEOUT = 10.0
"""Seconds of wall time that simulated time waits for a node that has spoken before: a busy machine is slow."""


def scaled_parameters(scene: str | None) -> dict[str, dict[str, Any]]:
    """Return the parameters of simulator, estimator and controller for a scene of the simulator, by node.

    What is a length in config/servo.yaml holds at 25 cm from the scene and grows with the distance. None is the
    scene that the parameter file names. Raises SimulationError for a scene that there is not.
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
        ratio = depth / DEPTH
        result['pose_estimator'] = {'depth': depth}
        result['pbvs_controller'] = {
            'gain.length': depth,
            'convergence.translation': 5e-5 * ratio,
            'convergence.linear_velocity': 0.002 * ratio,
            'jump.translation': 0.05 * ratio,
            'retreat.distance': 0.15 * ratio,
        }
    return result
