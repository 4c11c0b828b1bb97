from __future__ import annotations

from collections.abc import Iterator

import pytest
from rclpy.node import Node
from rclpy.task import Future

from cnn_vs_ros.nodes.running import run_node
from test.ros_graph import own_domain

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


@pytest.fixture(autouse=True)
def _domain(monkeypatch):
    with own_domain() as domain:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
        yield


def test_it_returns_the_status_of_the_node_and_holds_no_more_with_every_turn():
    nodes: list[Counting] = []

    def make() -> Counting:
        nodes.append(Counting())
        return nodes[0]

    assert run_node(make, []) == 7
    assert nodes[0].turns == TURNS
    assert len(set(nodes[0].waiting)) == 1


def _ports(monkeypatch, looks: list[list[str]]) -> Iterator[list[str]]:
    """Have each look at the ports find what `looks` says, and none after these."""
    rest = iter(looks)
    monkeypatch.setattr('cnn_vs_ros.nodes.running.lost_ports', lambda: next(rest, []))
    return rest


def test_a_participant_that_nobody_reaches_is_made_again_before_the_node_is(monkeypatch):
    rest = _ports(monkeypatch, [['fastrtps_port7413'], ['fastrtps_port7413'], []])
    nodes: list[Counting] = []
    assert run_node(lambda: nodes.append(Counting()) or nodes[-1], []) == 7
    assert len(nodes) == 1
    assert next(rest, None) is None


def test_a_node_that_nobody_ever_reaches_ends_with_the_way_out(monkeypatch, capfd):
    _ports(monkeypatch, [['fastrtps_port7413']] * 10)
    assert run_node(Counting, []) == 1
    assert 'start the node again' in capfd.readouterr().err


def test_a_node_that_becomes_deaf_ends(monkeypatch, capfd):
    class Waiting(Node):
        def __init__(self) -> None:
            super().__init__('waiting')

    _ports(monkeypatch, [[], [], ['fastrtps_port7413']])
    monkeypatch.setattr('cnn_vs_ros.nodes.running._LOOK_PERIOD', 0.01)
    assert run_node(Waiting, []) == 1
    assert 'others should reach this node' in capfd.readouterr().err
