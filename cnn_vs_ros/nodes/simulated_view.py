"""The parameters of what a simulated camera sees: of the simulator, and of simulated_camera."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

from cnn_vs_ros.nodes.parameters import declare, default_of
from cnn_vs_ros.simulation import SCENES, SimulatedRobot


class SimulatedView:
    """Declares and holds `scene`, `image_rate` (Hz, of the node's time), `noise` (grey levels) and `seed`."""

    def __init__(self, node: Node) -> None:
        def fixed(name: str, description: str, **rest: Any) -> Any:
            return declare(node, name, default_of(SimulatedRobot, name), description, read_only=True, **rest)

        self.scene: str = fixed('scene', 'What lies on the table.', choices=tuple(SCENES))
        self.noise: float = fixed(
            'noise', 'Standard deviation of the image noise, grey levels.', bounds=(0.0, 50.0)
        )
        self.seed: int = fixed('seed', 'Seed of all that is random: noise, perturbations.', bounds=(0, 2**31 - 1))
        self.image_rate: float = declare(
            node,
            'image_rate',
            30.0,
            "Images a second of the node's time, Hz.",
            bounds=(0.1, 100.0),
            read_only=True,
        )
