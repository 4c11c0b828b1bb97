"""Whether a service is there is seen by its name, whatever its type."""

from __future__ import annotations

import pytest
from std_srvs.srv import Trigger

from cnn_vs_ros.nodes.requests import is_provided
from test.ros_graph import Graph

DOMAIN = 97


@pytest.fixture
def graph(tmp_path):
    graph = Graph(DOMAIN, tmp_path)
    yield graph
    graph.close()


def test_a_service_is_provided_where_a_node_has_it(graph):
    assert not is_provided(graph.node, 'scene', 0.3)
    graph.node.create_service(Trigger, 'scene', lambda _, answer: answer)
    assert is_provided(graph.node, 'scene', 5.0)
    assert not is_provided(graph.node, '/scene', 0.3)
