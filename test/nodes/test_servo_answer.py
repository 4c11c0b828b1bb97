"""Who waits for the end of a task by ~/servo is answered, whatever ends it."""

from __future__ import annotations

import signal

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from test.nodes.test_pbvs_controller import Controller
from test.ros_graph import Graph


@pytest.mark.parametrize('how', ['shutdown', 'SIGINT'])
def test_the_end_of_the_node_is_an_answer(tmp_path, how):
    graph = Graph(tmp_path)
    try:
        controller = Controller(graph)
        _, asked = controller.ask_to_servo()
        if how == 'shutdown':
            wanted = Transition(id=Transition.TRANSITION_ACTIVE_SHUTDOWN)
            graph.call(ChangeState, 'pbvs_controller/change_state', ChangeState.Request(transition=wanted))
        else:
            controller.process.expected_to_run = False
            controller.process.process.send_signal(signal.SIGINT)
        graph.spin_until(asked[-1].done, 'the answer')
        assert not asked[-1].result().success
        assert asked[-1].result().message.startswith('stopped: ')
        assert how == 'SIGINT' or controller.process.end() == 0
        assert 'Traceback' not in controller.process.output
    finally:
        graph.close()
