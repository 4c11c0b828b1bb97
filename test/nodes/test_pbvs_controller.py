from __future__ import annotations

import itertools
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.geometry import RelativePose, se3
from cnn_vs_ros.nodes import messages
from test.ros_graph import LATCHED, ROOT, Graph

POSE = se3.from_pose_vector([0.1, -0.05, 0.02, 0.1, 0.2, -0.3])
FAR = se3.from_pose_vector([0.4, -0.2, 0.1, 0, 0, 0])
BROKEN = POSE.copy()
BROKEN[2, 3] = np.nan


BRISK = {
    f'{group}.{name}': value
    for group, values in yaml.safe_load((ROOT / 'config' / 'simulated.yaml').read_text())['/**/pbvs_controller'][
        'ros__parameters'
    ].items()
    if isinstance(values, dict)
    for name, value in values.items()
}


def stamp_of(seconds: float) -> Time:
    whole = int(seconds)
    return Time(sec=whole, nanosec=round(1e9 * (seconds - whole)))


class Controller:
    """The node as a process, with what it says, a way to speak to it, and a camera that goes where it is sent."""

    def __init__(self, graph: Graph, each=None, **parameters) -> None:
        self.graph = graph
        self.twists = graph.listen(TwistStamped, 'twist')
        self.statuses = graph.listen(String, 'servo_status', LATCHED)
        self.reasons = graph.listen(String, 'servo_status_reason', LATCHED)
        self.diagnostics = graph.listen(DiagnosticArray, '/diagnostics')
        self.poses = graph.node.create_publisher(PoseWithCovarianceStamped, 'relative_pose', 10)
        self.said = graph.node.create_publisher(DiagnosticArray, 'pose_status', 10)
        self.pose, self._time, self._made = POSE, 0.0, 0
        self.process = graph.start('pbvs_controller', **BRISK, **parameters)
        if parameters.get('autostart', True):
            graph.spin_until(lambda: self.twists and self.said.get_subscription_count(), 'twists', each)

    @property
    def status(self) -> str:
        return self.statuses[-1].data if self.statuses else ''

    @property
    def twist(self) -> np.ndarray:
        return messages.twist_from_message(self.twists[-1].twist)

    @property
    def reason(self) -> str:
        return self.reasons[-1].data if self.reasons else ''

    def say(self, word: str, stamp, confidence: str = '0.9', **values: str) -> None:
        message = DiagnosticArray()
        message.header.stamp = stamp
        message.status = [
            DiagnosticStatus(message=word, values=messages.key_values({'confidence': confidence, **values}))
        ]
        self.said.publish(message)

    def show(self, pose: np.ndarray, stamp) -> None:
        message = PoseWithCovarianceStamped()
        message.header.stamp = stamp
        with np.errstate(invalid='ignore'):
            message.pose = messages.relative_pose_to_message(RelativePose(pose))
        self.poses.publish(message)

    def estimate(self, pose: np.ndarray | None = None, **values: str) -> None:
        stamp = self.graph.now()
        self._follow(messages.seconds(stamp))
        self.say('tracked', stamp, **values)
        self.show(self.pose if pose is None else pose, stamp)

    def _follow(self, now: float) -> None:
        for index in range(self._made, len(self.twists) + 1):
            end = now if index == len(self.twists) else messages.seconds(self.twists[index].header.stamp)
            twist = messages.twist_from_message(self.twists[index - 1].twist) if index else np.zeros(6)
            self.pose = self.pose @ se3.exp(twist * max(0.0, min(end - self._time, 0.1)))
            self._time = max(self._time, end)
        self._made = len(self.twists)

    def lose(self) -> None:
        self.say('lost', self.graph.now(), '0')

    def ask_to_servo(self) -> tuple:
        """Client of ~/servo and its requests, of which the last one waits while the camera moves."""
        client = self.graph.node.create_client(Trigger, 'pbvs_controller/servo')
        self.graph.spin_until(client.service_is_ready, 'the service')
        asked: list = []

        def asks() -> bool:
            """Ask until it is not refused, as it is while no estimate is fresh."""
            if not asked or asked[-1].done():
                asked.append(client.call_async(Trigger.Request()))
            return self.status == 'servoing' and self.twist.any()

        self.graph.spin_until(asks, 'motion', self.estimate)
        return client, asked

    def place(self, pose: np.ndarray) -> None:
        self._follow(messages.seconds(self.graph.now()))
        self.pose = pose

    def start(self, each=None) -> None:
        """Start it, on a fresh estimate."""
        answers = []

        def started() -> bool:
            answers.append(self.call('start', each or self.estimate))
            return answers[-1].success

        self.graph.spin_until(started, 'a start', each or self.estimate)

    def call(self, name: str, each=None):
        return self.graph.call(Trigger, f'pbvs_controller/{name}', each=each)

    def change_state(self, transition: int, each=None) -> None:
        request = ChangeState.Request(transition=Transition(id=transition))
        assert self.graph.call(ChangeState, 'pbvs_controller/change_state', request, each).success

    def move(self, pose: np.ndarray = POSE, speed: float = 0.05) -> None:
        """Have it servo, faster than `speed` m/s."""
        self.call('stop')
        self.place(pose)
        self.start()
        moving = lambda: self.status == 'servoing' and np.linalg.norm(self.twist[:3]) > speed  # noqa: E731
        self.graph.spin_until(moving, 'motion', self.estimate)

    def expect_stop(self, status: str, each=None) -> None:
        stopped = lambda: self.status == status and not self.twist.any()  # noqa: E731
        self.graph.spin_until(stopped, f'zeros and the status {status}', each)
        count = len(self.twists)
        self.graph.spin_until(lambda: len(self.twists) > count + 5, 'more twists', each)
        assert not any(messages.twist_from_message(message.twist).any() for message in self.twists[count:])


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('pbvs_controller'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def controller(graph):
    controller = Controller(graph)
    yield controller
    assert controller.process.end() == 0


def test_sends_zeros_until_started(controller):
    controller.graph.spin_until(lambda: controller.status == 'idle', 'the status idle')
    controller.graph.spin_until(lambda: len(controller.twists) > 10, 'twists', controller.estimate)
    assert not any(messages.twist_from_message(message.twist).any() for message in controller.twists)
    assert controller.status == 'idle'


def test_servoes_along_the_law_in_the_camera_frame(controller):
    controller.move()
    message = controller.twists[-1]
    assert message.header.frame_id == 'camera_optical_frame'
    # Without the short motion since the image the direction is that of equation 6.
    expected = -np.concatenate([POSE[:3, :3].T @ POSE[:3, 3], se3.rotation_log(POSE[:3, :3])])
    cosine = controller.twist @ expected / np.linalg.norm(controller.twist) / np.linalg.norm(expected)
    assert cosine > 0.95


def test_stops_smoothly_when_estimates_stop_coming(controller):
    controller.move(FAR, 0.2)
    count = len(controller.twists)
    controller.expect_stop('stale')
    twists = np.array([messages.twist_from_message(message.twist) for message in controller.twists[count:]])
    speeds = np.linalg.norm(twists[:, :3], axis=1)
    # From 0.2 m/s, 0.2 s at 50 Hz, there are twists between the full one and zeros.
    assert ((speeds > 0) & (speeds < 0.9 * speeds.max())).any()


def test_stops_when_lost(controller):
    controller.move()
    controller.expect_stop('lost', lambda: controller.say('lost', controller.graph.now(), '0'))


def test_stops_without_looking_for_the_target_when_the_image_could_not_be_used(controller):
    controller.move()
    controller.expect_stop('stale', lambda: controller.say('lost', controller.graph.now(), '0', reason='too dark'))
    assert controller.reason == 'too dark'


def test_stops_without_a_reference(controller):
    controller.move()
    controller.expect_stop('stale', lambda: controller.say('no_reference', controller.graph.now(), '0'))


def test_stops_when_the_reference_becomes_another(controller):
    def estimate(name: str) -> None:
        controller.estimate(reference=name)

    controller.call('stop')
    controller.start(lambda: estimate('part'))
    controller.graph.spin_until(lambda: controller.twist.any(), 'motion', lambda: estimate('part'))
    controller.expect_stop('stopped', lambda: estimate('bin'))
    assert controller.reason.startswith('the reference was part and is bin now')
    controller.start(lambda: estimate('bin'))


def test_servo_answers_when_the_task_has_ended_and_nothing_waits_for_it(controller):
    graph = controller.graph
    controller.call('stop')
    controller.place(POSE)
    refused = controller.call('servo', each=lambda: controller.say('no_reference', graph.now(), '0'))
    assert not refused.success
    assert 'a fresh estimate should have come' in refused.message
    client, asked = controller.ask_to_servo()
    assert not asked[-1].done()
    asked.append(client.call_async(Trigger.Request()))  # a second one gets the same answer
    graph.spin(0.2)  # the stop must not overtake it
    controller.call('stop', controller.lose)  # lost, it does not arrive meanwhile
    graph.spin_until(lambda: asked[-1].done() and asked[-2].done(), 'the answers')
    for future in asked[-2:]:
        answer = future.result()
        assert (answer.success, answer.message) == (False, 'stopped: stopped by request')


def test_servo_says_that_it_has_arrived(controller):
    controller.place(se3.from_pose_vector([0.002, 0, 0, 0, 0, 0]))
    controller.graph.spin_until(
        lambda: controller.call('servo', controller.estimate).success, 'an arrival', controller.estimate
    )
    assert controller.status == 'converged'


def test_stops_on_a_pose_that_is_not_finite(controller):
    controller.move()
    controller.expect_stop('stale', lambda: controller.estimate(BROKEN))
    assert 'finite' in controller.process.output


@pytest.mark.parametrize(('word', 'confidence'), [('guessed', '0.9'), ('tracked', 'high')])
def test_stops_on_a_malformed_status(controller, word, confidence):
    controller.move()
    controller.expect_stop('stale', lambda: controller.say(word, controller.graph.now(), confidence))


def test_stops_on_estimates_stamped_in_the_future(controller):
    controller.move()

    def ahead() -> None:
        stamp = controller.graph.now()
        stamp.sec += 5
        controller.say('tracked', stamp)
        controller.show(POSE, stamp)

    controller.expect_stop('stale', ahead)
    assert 'should not lie in the future' in controller.process.output


def test_stops_with_an_error_while_estimates_jump(controller):
    controller.move()
    places = itertools.count(1)
    controller.expect_stop(
        'error', lambda: controller.estimate(se3.from_pose_vector([0.1 * (next(places) % 7), 0, 0, 0, 0, 0]))
    )
    assert 'jumped' in controller.reason
    controller.graph.spin_until(
        lambda: controller.status == 'servoing' and controller.twist.any(), 'servoing', controller.estimate
    )


def test_beyond_the_workspace_only_a_start_leads_on(controller):
    controller.move()
    far = se3.from_pose_vector([1.1, 0, 0, 0, 0, 0])
    controller.start(lambda: controller.estimate(far))  # no jump, but another place
    controller.expect_stop('limited', lambda: controller.estimate(far))
    assert 'beyond workspace.x' in controller.reason
    controller.expect_stop('limited', controller.estimate)
    assert 'call ~/start' in controller.reason
    controller.move()


def test_diagnostics_say_the_status_the_reason_and_the_usage(controller):
    controller.move()
    controller.expect_stop('stale')
    controller.diagnostics.clear()
    controller.graph.spin_until(
        lambda: any(said.status[0].message == 'stale: ' + controller.reason for said in controller.diagnostics),
        'diagnostics of the status stale',
    )
    status = controller.diagnostics[-1].status[0]
    assert status.level == DiagnosticStatus.WARN
    values = {item.key: item.value for item in status.values}
    assert values['status'] == 'stale'
    assert float(values['memory_mib']) > 10
    assert float(values['cpu_percent']) >= 0


def test_resumes_when_the_target_is_found_again(controller):
    controller.move()
    controller.expect_stop('lost', lambda: controller.say('lost', controller.graph.now(), '0'))
    controller.graph.spin_until(
        lambda: controller.status == 'servoing' and controller.twist.any(), 'servoing', controller.estimate
    )


def test_stops_on_request_and_stays_stopped(controller):
    controller.move()
    assert controller.call('stop', controller.estimate).success
    controller.expect_stop('stopped', controller.estimate)


def test_a_pose_counts_only_with_the_status_of_the_same_stamp(controller):
    controller.start()

    def mismatched() -> None:
        controller.show(POSE, controller.graph.now())
        controller.say('tracked', controller.graph.now())

    controller.expect_stop('stale', mismatched)


def test_the_pose_may_come_before_its_status(controller):
    controller.call('stop')
    controller.place(POSE)
    controller.start()

    def pose_first() -> None:
        stamp = controller.graph.now()
        controller.show(POSE, stamp)
        controller.graph.spin(0.01)
        controller.say('acquired', stamp)

    controller.graph.spin_until(
        lambda: controller.status == 'servoing' and controller.twist.any(), 'servoing', pose_first
    )


def test_converges_at_the_goal_and_keeps_still(controller):
    controller.move()
    at_goal = lambda: controller.estimate(np.eye(4))  # noqa: E731
    controller.expect_stop('converged', at_goal)
    controller.expect_stop('converged', controller.estimate)


def test_parameters_can_be_changed_while_servoing(controller):
    controller.move()
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=0.01)
    request = SetParameters.Request(parameters=[Parameter(name='limits.linear_velocity', value=value)])
    results = controller.graph.call(SetParameters, 'pbvs_controller/set_parameters', request, controller.estimate)
    assert results.results[0].successful
    slow = lambda: 0 < np.linalg.norm(controller.twist[:3]) < 0.0101  # noqa: E731
    controller.graph.spin_until(slow, 'the new limit', controller.estimate)
    request.parameters[0].value.double_value = -1.0
    results = controller.graph.call(SetParameters, 'pbvs_controller/set_parameters', request, controller.estimate)
    assert not results.results[0].successful
    request.parameters[0].value.double_value = 0.25
    controller.graph.call(SetParameters, 'pbvs_controller/set_parameters', request, controller.estimate)


def test_deactivation_sends_zeros(controller):
    controller.move()
    controller.change_state(Transition.TRANSITION_DEACTIVATE, controller.estimate)
    controller.graph.spin_until(lambda: not controller.twist.any(), 'zeros')
    assert not controller.call('start').success
    frame = 'camera_optical_frame'
    for before, after in ((frame, 'eye'), ('eye', frame)):  # it is read on activation
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=after)
        request = SetParameters.Request(parameters=[Parameter(name='twist_frame', value=value)])
        answer = controller.graph.call(SetParameters, 'pbvs_controller/set_parameters', request)
        assert answer.results[0].successful
        assert controller.twists[-1].header.frame_id == before
        controller.change_state(Transition.TRANSITION_ACTIVATE)
        controller.expect_stop('stopped', controller.estimate)
        assert controller.twists[-1].header.frame_id == after
        controller.change_state(Transition.TRANSITION_DEACTIVATE)
    controller.change_state(Transition.TRANSITION_ACTIVATE)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_in_motion_sends_zeros_before_the_exit(tmp_path, number):
    graph = Graph(tmp_path)
    try:
        controller = Controller(graph)
        controller.move(FAR, 0.2)
        count = len(controller.twists)
        for _ in range(4):  # said again, it changes nothing
            controller.process.process.send_signal(number)
            graph.spin(0.005)
        assert controller.process.end(number) == 0
        graph.spin_until(lambda: not controller.twist.any(), 'zeros')
        twists = [messages.twist_from_message(message.twist) for message in controller.twists[count:]]
        speeds = np.linalg.norm(np.array(twists)[:, :3], axis=1)
        # From over 0.2 m/s at 1 m/s^2 it takes steps.
        assert ((speeds > 0) & (speeds < 0.9 * speeds.max())).any()
        assert 'Traceback' not in controller.process.output
    finally:
        graph.close()


def test_under_nohup_a_closed_terminal_ends_nothing(tmp_path):
    graph = Graph(tmp_path)
    try:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            node = graph.start('pbvs_controller')
        finally:
            signal.signal(signal.SIGHUP, before)
        graph.spin_until(lambda: 'idle: not started' in node.output, 'the start')
        node.process.send_signal(signal.SIGHUP)
        graph.spin(0.5)
        assert node.process.poll() is None
        assert node.end(signal.SIGTERM) == 0
    finally:
        graph.close()


def test_retreats_when_told_to_and_is_not_active_before_it_is_activated(tmp_path):
    graph = Graph(tmp_path)
    try:
        parameters = {'lost_behaviour': 'retreat', 'retreat.distance': 0.02, 'autostart': False}
        controller = Controller(graph, **parameters)
        state = graph.call(GetState, 'pbvs_controller/get_state').current_state
        assert state.label == 'unconfigured'
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            assert not controller.twists
            controller.change_state(transition)
        graph.spin_until(controller.said.get_subscription_count, 'the subscription to estimates')

        def lose() -> None:
            """It takes an estimator 0.4 s to find nothing: the stamp is older than pose_timeout."""
            controller.say('lost', stamp_of(messages.seconds(graph.now()) - 0.4), '0')

        controller.start(lose)
        graph.spin_until(lambda: controller.status == 'lost' and controller.twist.any(), 'the retreat', lose)
        assert controller.twist[2] < 0
        assert not np.delete(controller.twist, 2).any()
        controller.expect_stop('lost', lose)
        assert 'stale' not in [item.data for item in controller.statuses[2:]]
        assert controller.process.end() == 0
    finally:
        graph.close()


def test_a_start_without_a_fresh_estimate_is_refused_with_a_sentence(controller):
    controller.call('stop')
    controller.graph.spin(0.3)
    answer = controller.call('start')
    assert not answer.success
    assert 'a fresh estimate should have come' in answer.message
    controller.lose()
    controller.graph.spin(0.1)
    answer = controller.call('start', controller.lose)
    assert not answer.success
    assert 'the reference should be in view to start' in answer.message
    controller.expect_stop('stopped', controller.estimate)


def test_an_arm_that_does_not_follow_ends_the_task(controller):
    controller.move()
    frozen = controller.pose
    controller.expect_stop('error', lambda: controller.estimate(frozen))
    assert 'the arm should follow' in controller.reason
    controller.expect_stop('error', controller.estimate)
    controller.move()


def test_what_the_arm_says_is_passed_on_and_ends_the_task(controller):
    graph = controller.graph
    word = graph.node.create_publisher(String, 'arm_status', LATCHED)
    reason = graph.node.create_publisher(String, 'arm_status_reason', LATCHED)

    def say(said: str, why: str) -> None:
        reason.publish(String(data=why))
        word.publish(String(data=said))

    say('servoing', 'ready')
    controller.move()
    say('limited', 'halted at a singularity')
    graph.spin_until(lambda: 'singularity' in controller.reason, 'the reason', controller.estimate)
    assert controller.status == 'servoing'
    controller.diagnostics.clear()
    told = lambda: any('singularity' in item.status[0].message for item in controller.diagnostics)  # noqa: E731
    graph.spin_until(told, 'diagnostics', controller.estimate)
    say('error', 'the arm is not driven')
    controller.expect_stop('error', controller.estimate)
    ended = lambda: 'call ~/start' in controller.reason  # noqa: E731
    graph.spin_until(ended, 'the end of the task', controller.estimate)
    answer = controller.call('start', controller.estimate)
    assert not answer.success
    assert 'the arm is not driven' in answer.message
    say('servoing', 'ready')
    controller.expect_stop('error', controller.estimate)
    controller.move()


def test_a_transition_that_there_is_not_is_refused_and_ends_nothing(controller):
    for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP, 250):
        request = ChangeState.Request(transition=Transition(id=number))
        answer = controller.graph.call(ChangeState, 'pbvs_controller/change_state', request, controller.estimate)
        assert not answer.success
    assert 'transition 250' in controller.process.output
    controller.move()


def test_it_shares_no_memory_whose_locks_could_hold_it_up(controller):
    assert '/dev/shm/fast' not in Path(f'/proc/{controller.process.process.pid}/maps').read_text()


def test_the_limits_in_force_are_logged_at_each_start(controller):
    said = lambda: controller.process.output.count('limits in force: 0.25 m/s, 1 rad/s')  # noqa: E731
    controller.call('stop')
    before = said()
    assert before > 0
    for count in (1, 2):
        controller.start()
        assert said() == before + count
        controller.call('stop')


def test_out_of_patience_only_a_start_leads_on_and_without_a_reader_of_twists_none_does(tmp_path):
    graph = Graph(tmp_path)
    try:
        controller = Controller(graph, patience=0.5)
        controller.move()
        controller.expect_stop('stale')
        controller.expect_stop('stopped')
        assert 'stale for 0.5 s' in controller.reason
        controller.expect_stop('stopped', controller.estimate)
        controller.move()
        graph.node.destroy_subscription(
            next(s for s in graph.node.subscriptions if s.topic_name.endswith('/twist'))
        )
        refused = lambda: 'nobody takes the twists' in controller.reason  # noqa: E731
        graph.spin_until(refused, 'the end of the task', controller.estimate)
        answer = controller.call('start', controller.estimate)
        assert not answer.success
        assert 'is differential_ik running?' in answer.message
    finally:
        graph.close()


def test_while_the_clock_stands_still_and_images_come_it_stops_by_the_wall(tmp_path):
    graph = Graph(tmp_path)
    try:
        clock = graph.node.create_publisher(Clock, '/clock', 10)
        count = itertools.count(100)

        def tick() -> None:
            clock.publish(Clock(clock=stamp_of(next(count) / 25)))

        controller = Controller(graph, tick, use_sim_time=True, least_followed=0.0)

        def estimate(stamp: Time) -> None:
            controller.say('tracked', stamp)
            controller.show(POSE, stamp)

        def go_on() -> None:
            tick()
            graph.spin(0.01)
            estimate(stamp_of((next(count) - 1) / 25))

        controller.start(go_on)
        graph.spin_until(lambda: np.linalg.norm(controller.twist[:3]) > 0.05, 'motion', go_on)
        stamp = stamp_of(next(count) / 25)
        graph.spin_until(lambda: not controller.twist.any(), 'zeros', lambda: estimate(stamp))
        assert 'the clock should go on' in controller.process.output
        graph.spin_until(lambda: controller.twist.any(), 'motion', go_on)
    finally:
        graph.close()


@pytest.mark.parametrize(
    ('parameters', 'sentence'),
    [
        ({'lost_behaviour': 'panic'}, 'should be one of stop, retreat, search'),
        ({'pose_timeout': -1.0}, 'should lie between'),
        ({'gain.at_zero': 'high'}, 'should be a number but is'),
    ],
)
def test_a_parameter_without_meaning_ends_the_process_with_a_sentence(graph, parameters, sentence):
    node = graph.start('pbvs_controller', **parameters)
    assert node.wait() == 1
    assert sentence in node.output
    assert 'Traceback' not in node.output
