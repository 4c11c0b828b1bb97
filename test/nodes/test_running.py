from __future__ import annotations

import os

from rclpy.node import Node
from rclpy.task import Future

import test.ros_graph  # noqa: F401  (the environment of DDS)
from cnn_vs_ros.nodes.running import run_node

TURNS = 200


class Counting(Node):
    """Ends by itself, with status 7, after some turns of the executor."""

    def __init__(self) -> None:
        super().__init__('counting')
        self.done, self.turns, self.waiting = Future(), 0, []
        self.create_timer(1e-4, self.turn)

    def turn(self) -> None:
        self.turns += 1
        self.waiting.append(len(self.done._callbacks))
        if self.turns == TURNS:
            self.done.set_result(7)


def test_it_returns_the_status_of_the_node_and_holds_no_more_with_every_turn(monkeypatch):
    monkeypatch.setitem(os.environ, 'ROS_DOMAIN_ID', '98')
    nodes: list[Counting] = []

    def make() -> Counting:
        nodes.append(Counting())
        return nodes[0]

    assert run_node(make, []) == 7
    assert nodes[0].turns == TURNS
    assert len(set(nodes[0].waiting)) == 1
