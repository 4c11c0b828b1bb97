from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import PinholeCamera, se3
from cnn_vs_ros.nodes import messages
from test.ros_graph import LATCHED, NEWEST, Graph
from test.scenes import CAMERA, DEPTH, drawn_texture, slope_of, tilted, view

TEXTURE = drawn_texture(0)
NEAR = se3.from_pose_vector([0.004, -0.003, 0.005, 0.01, 0.02, 0.05])


def picture(desired_T_current: np.ndarray, texture: np.ndarray = TEXTURE) -> np.ndarray:
    return cv2.cvtColor(view(texture, desired_T_current, seed=1), cv2.COLOR_GRAY2BGR)


REFERENCE_PICTURE, NEAR_PICTURE = picture(np.eye(4)), picture(NEAR)
OTHER_PICTURE = np.full_like(REFERENCE_PICTURE, 90)


class Estimator:
    """The node as a process, with what it says and a camera to show it pictures."""

    def __init__(self, graph: Graph, wait: bool = True, remap: dict[str, str] | None = None, **parameters) -> None:
        self.graph = graph
        self.poses = graph.listen(PoseWithCovarianceStamped, 'relative_pose')
        self.statuses = graph.listen(DiagnosticArray, 'pose_status')
        self.images = graph.node.create_publisher(Image, 'image_raw', NEWEST)
        self.infos = graph.node.create_publisher(CameraInfo, 'camera_info', NEWEST)
        self.process = graph.start('pose_estimator', remap, **parameters)
        if wait:
            graph.spin_until(self.images.get_subscription_count, 'the subscription to image_raw')
            graph.spin_until(self.infos.get_subscription_count, 'the subscription to camera_info')

    @property
    def word(self) -> str:
        return self.statuses[-1].status[0].message if self.statuses else ''

    @property
    def reason(self) -> str:
        return self.values.get('reason', '')

    @property
    def values(self) -> dict[str, str]:
        return {item.key: item.value for item in self.statuses[-1].status[0].values} if self.statuses else {}

    def show(self, image: np.ndarray, camera: PinholeCamera | None = CAMERA, age: int = 0) -> float:
        """Publish an image with its camera_info (an uncalibrated one for None) and return the stamp."""
        stamp = self.graph.now()
        stamp.sec -= age
        info = CameraInfo(width=image.shape[1], height=image.shape[0])
        if camera is not None:
            info = messages.camera_to_message(camera, stamp, 'camera_optical_frame')
        self.infos.publish(info)
        self.images.publish(messages.image_to_message(image, stamp, 'camera_optical_frame'))
        return messages.seconds(stamp)

    def show_until(
        self, word: str, image: np.ndarray, camera: PinholeCamera | None = CAMERA, reason: str = ''
    ) -> None:
        self.graph.spin_until(
            lambda: self.word == word and reason in self.reason,
            f'the status {word}',
            lambda: self.show(image, camera),
        )

    def call(self, name: str, image: np.ndarray = REFERENCE_PICTURE, age: int = 0):
        each = lambda: self.show(image, age=age)  # noqa: E731
        return self.graph.call(Trigger, f'pose_estimator/{name}', each=each)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('reference') / 'here'


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    graph = Graph(tmp_path_factory.mktemp('pose_estimator'))
    yield graph
    graph.close()


@pytest.fixture(scope='module')
def waiting(graph, folder):
    estimator = Estimator(graph, library=str(folder.parent), reference=folder.name, depth=DEPTH)
    yield estimator
    assert estimator.process.end() == 0
    assert 'Traceback' not in estimator.process.output


@pytest.fixture(scope='module')
def estimator(waiting):
    answer = waiting.call('capture_reference')
    assert answer.success, answer.message
    return waiting


def test_without_a_reference_every_image_is_answered_by_no_reference(waiting, folder):
    waiting.show_until('no_reference', REFERENCE_PICTURE)
    assert not waiting.poses
    assert not folder.exists()
    answer = waiting.call('load_reference')
    assert not answer.success
    assert "reference 'here' should be one of" in answer.message


def test_an_image_taken_before_the_request_is_not_captured(waiting, folder):
    answer = waiting.call('capture_reference', age=100)
    assert not answer.success
    assert 'no image stamped after the request' in answer.message
    assert not folder.exists()


def test_capture_writes_the_folder(estimator, folder):
    reference = Reference.load(folder)
    np.testing.assert_array_equal(reference.image, REFERENCE_PICTURE)
    assert reference.camera == CAMERA
    assert reference.depth == DEPTH


def test_estimates_follow_the_capture(estimator):
    def arrived() -> bool:
        if not estimator.poses:
            return False
        relative = messages.pose_from_message(estimator.poses[-1].pose.pose)
        translation, rotation = se3.pose_error(se3.inverse(NEAR) @ relative)
        return translation < 1e-3 and rotation < np.radians(0.2)

    estimator.show_until('tracked', NEAR_PICTURE)
    # The tracker needs a few images for what is a leap from the picture shown before.
    estimator.graph.spin_until(arrived, 'the pose of the picture', lambda: estimator.show(NEAR_PICTURE))
    pose = estimator.poses[-1]
    assert pose.header.frame_id == 'desired_camera_optical_frame'
    assert (np.linalg.eigvalsh(pose.pose.covariance.reshape(6, 6)) > 0).all()
    assert 0 <= float(estimator.values['confidence']) <= 1


def test_status_and_pose_carry_the_stamp_of_the_image(estimator):
    estimator.show_until('tracked', NEAR_PICTURE)
    stamp = estimator.show(NEAR_PICTURE)
    stamps = lambda received: [messages.seconds(message.header.stamp) for message in received]  # noqa: E731
    estimator.graph.spin_until(lambda: stamp in stamps(estimator.poses), 'the pose')
    estimator.graph.spin_until(lambda: stamp in stamps(estimator.statuses), 'the status')


def set_parameter(graph, name: str, value: object):
    """Result of setting a parameter of the estimator."""
    request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
    return graph.call(SetParameters, 'pose_estimator/set_parameters', request).results[0]


def test_a_delay_of_the_stamps_is_taken_off_the_estimates(estimator):
    assert set_parameter(estimator.graph, 'stamp_delay', 0.25).successful
    shown = []
    estimator.graph.spin_until(
        lambda: any(
            abs(messages.seconds(message.header.stamp) + 0.25 - stamp) < 1e-6
            for message in estimator.poses[-5:]
            for stamp in shown
        ),
        'a pose with the earlier stamp',
        lambda: shown.append(estimator.show(NEAR_PICTURE)),
    )
    assert set_parameter(estimator.graph, 'stamp_delay', 0.0).successful


def test_says_lost_and_gives_no_pose_when_the_reference_is_not_in_view(estimator):
    estimator.show_until('lost', OTHER_PICTURE)
    count = len(estimator.poses)
    for _ in range(5):
        estimator.show(OTHER_PICTURE)
        estimator.graph.spin(0.1)
    assert len(estimator.poses) == count
    estimator.show_until('tracked', NEAR_PICTURE)


@pytest.mark.parametrize(
    ('image', 'camera', 'reason'),
    [
        (NEAR_PICTURE[:240, :320], CAMERA.resized(320, 240), 'should be of the 640x480 camera'),
        (NEAR_PICTURE[:240, :320], CAMERA, 'should be 640x480'),
        (NEAR_PICTURE, None, 'calibrate'),
        (NEAR_PICTURE, PinholeCamera(640, 480, 500.0, 500.0, 319.5, 239.5), 'capture the reference again'),
    ],
)
def test_an_image_that_cannot_be_used_is_lost_with_a_reason_and_the_node_lives(estimator, image, camera, reason):
    estimator.show_until('lost', image, camera, reason)
    assert reason in estimator.process.output
    estimator.show_until('tracked', NEAR_PICTURE)


def test_the_reference_can_be_captured_anew_and_loaded(estimator, folder):
    estimator.show_until('tracked', NEAR_PICTURE)
    assert estimator.call('capture_reference', NEAR_PICTURE).success
    np.testing.assert_array_equal(Reference.load(folder).image, NEAR_PICTURE)
    near_now = lambda: se3.pose_error(messages.pose_from_message(estimator.poses[-1].pose.pose))[0] < 1e-4  # noqa: E731
    estimator.graph.spin_until(near_now, 'the pose of the new reference', lambda: estimator.show(NEAR_PICTURE))
    Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(folder)
    assert estimator.call('load_reference', NEAR_PICTURE).success
    far_again = lambda: not near_now()  # noqa: E731
    estimator.graph.spin_until(far_again, 'the pose of the loaded reference', lambda: estimator.show(NEAR_PICTURE))


def test_only_the_newest_image_waits(estimator):
    estimator.show_until('tracked', NEAR_PICTURE)
    seen = len(estimator.statuses)
    newest = [estimator.show(NEAR_PICTURE) for _ in range(12)][-1]
    stamps = lambda: [messages.seconds(item.header.stamp) for item in estimator.statuses[seen:]]  # noqa: E731
    estimator.graph.spin_until(lambda: newest in stamps(), 'the status of the newest image')
    assert stamps() == sorted(stamps())
    assert len(stamps()) < 12


def test_the_debug_image_shows_current_desired_and_difference(estimator):
    pictures = estimator.graph.listen(Image, 'pose_estimator/debug_image', 1)
    estimator.graph.spin_until(lambda: pictures, 'the debug image', lambda: estimator.show(NEAR_PICTURE))
    parts = np.hsplit(messages.image_from_message(pictures[-1]), 3)
    for part, expected in zip(
        parts, (NEAR_PICTURE, REFERENCE_PICTURE, cv2.absdiff(NEAR_PICTURE, REFERENCE_PICTURE)), strict=True
    ):
        np.testing.assert_array_equal(part, expected)


def test_diagnostics_say_how_it_goes(estimator):
    received = estimator.graph.listen(DiagnosticArray, '/diagnostics')
    states = lambda: [  # noqa: E731
        {item.key: item.value for item in status.values}
        for array in received
        for status in array.status
        if status.name.endswith('pose_estimator: estimation')
    ]
    good = lambda: any(state['status'] == 'tracked' and int(state['images']) > 0 for state in states())  # noqa: E731
    estimator.graph.spin_until(good, 'the diagnostics', lambda: estimator.show(NEAR_PICTURE))
    state = states()[-1]
    assert state['estimator'] == 'scene_agnostic'
    assert float(state['estimate_rate_hz']) > 0
    assert float(state['latency_max_ms']) >= float(state['latency_median_ms']) > 0


def test_a_camera_that_is_slower_than_declared_is_warned_of(estimator):
    received = estimator.graph.listen(DiagnosticArray, '/diagnostics')
    said = lambda: [item.status[0].message for item in received]  # noqa: E731
    assert set_parameter(estimator.graph, 'image_rate', 900.0).successful
    try:
        estimator.graph.spin_until(
            lambda: any('images should come at 900 Hz but are estimated at' in text for text in said()),
            'the warning',
            lambda: estimator.show(NEAR_PICTURE),
        )
    finally:
        set_parameter(estimator.graph, 'image_rate', 0.0)


def test_an_image_that_was_overtaken_is_not_answered_for(estimator):
    newest = estimator.show(NEAR_PICTURE)
    stamps = lambda: [messages.seconds(item.header.stamp) for item in estimator.statuses]  # noqa: E731
    estimator.graph.spin_until(lambda: newest in stamps(), 'the newest image')
    late = estimator.graph.now()
    seconds = newest - 0.1
    late.sec, late.nanosec = int(seconds), int(1e9 * (seconds % 1))
    estimator.images.publish(messages.image_to_message(NEAR_PICTURE, late, 'camera_optical_frame'))
    estimator.graph.spin_until(
        lambda: 'older than one that came before it' in estimator.process.output, 'the warning'
    )
    assert stamps()[-1] == newest


def test_references_are_captured_and_used_by_name_while_it_runs(estimator, folder):
    graph, library = estimator.graph, folder.parent
    in_use = graph.listen(String, 'pose_estimator/reference_folder', LATCHED)

    def follow(name: str) -> list[DiagnosticArray]:
        """Statuses of images from now on until some are tracked, by the reference of that name."""
        said = len(estimator.statuses)
        ours = lambda: [item for item in estimator.statuses[said:] if reference_of(item) == name]  # noqa: E731
        each = lambda: estimator.show(NEAR_PICTURE)  # noqa: E731
        graph.spin_until(lambda: [word_of(item) for item in ours()].count('tracked') > 2, 'tracking', each)
        return ours()

    assert set_parameter(graph, 'capture_as', 'other').successful
    answer = estimator.call('capture_reference', NEAR_PICTURE)
    assert answer.success, answer.message
    follow('other')
    assert Reference.load(library / 'other').sha256 != Reference.load(folder).sha256
    listed = {
        item['name']: item['in_use']
        for item in json.loads(estimator.call('list_references', NEAR_PICTURE).message)
    }
    assert listed == {'here': False, 'other': True}
    # Refused: by the name itself, by what is there, by what cannot be read. The one in use stays.
    Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(library / 'broken')
    (library / 'broken' / 'image.png').write_bytes(b'no image')
    for name, sentence in (
        ('../here', 'no path'),
        ('none', 'but that has broken, here, other'),
        ('broken', 'should be an encoded image'),
    ):
        refusal = set_parameter(graph, 'reference', name)
        assert not refusal.successful
        assert sentence in refusal.reason
    (library / 'broken' / 'image.png').unlink()
    assert {word_of(message) for message in follow('other')} == {'tracked'}
    # Another is used from the next image on, which is found anew.
    assert set_parameter(graph, 'reference', 'here').successful
    assert word_of(follow('here')[0]) == 'acquired'
    graph.spin_until(lambda: in_use and in_use[-1].data == str(folder), 'the folder in use')
    assert str(library / 'other') in [message.data for message in in_use]


def word_of(message: DiagnosticArray) -> str:
    return message.status[0].message


def reference_of(message: DiagnosticArray) -> str:
    return {item.key: item.value for item in message.status[0].values}.get('reference', '')


def test_starts_with_the_reference_in_its_folder_and_ends_on_sigterm(tmp_path):
    Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(tmp_path / 'here')
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, library=str(tmp_path), reference='here')
        estimator.show_until('tracked', NEAR_PICTURE)
        assert estimator.process.end(signal.SIGTERM) == 0
        assert 'Traceback' not in estimator.process.output
    finally:
        graph.close()


def test_a_camera_info_latched_before_the_node_began_is_got_and_of_rectified_images_is_p(tmp_path):
    Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(tmp_path / 'here')
    graph = Graph(tmp_path)
    try:
        latched = graph.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
        info = messages.camera_to_message(CAMERA, graph.now(), 'camera_optical_frame')
        info.d = [0.3, -0.1, 0.0, 0.0, 0.0]  # of what the driver rectified
        latched.publish(info)
        estimator = Estimator(graph, library=str(tmp_path), reference='here', rectified='true')
        show = lambda: estimator.images.publish(  # noqa: E731
            messages.image_to_message(NEAR_PICTURE, graph.now(), 'camera_optical_frame')
        )
        graph.spin_until(lambda: estimator.word == 'tracked', 'the status tracked', show)
        assert estimator.process.end() == 0
        assert 'Traceback' not in estimator.process.output
        assert 'incompatible' not in estimator.process.output
        assert 'image_raw are taken to be rectified: P of camera_info' in estimator.process.output
    finally:
        graph.close()


def test_what_is_learned_of_the_plane_is_kept_with_the_reference_and_its_mask(tmp_path):
    mask = np.full(REFERENCE_PICTURE.shape[:2], 255, np.uint8)
    mask[400:, 200:440] = 0
    cv2.imwrite(str(tmp_path / 'gripper.png'), mask)
    tilt, folder = tilted(35.0, 0.4), tmp_path / 'here'
    graph = Graph(tmp_path)
    try:
        parameters = {
            'library': str(tmp_path),
            'reference': 'here',
            'depth': DEPTH,
            'mask': str(tmp_path / 'gripper.png'),
        }
        estimator = Estimator(graph, **parameters)

        def learn() -> None:
            for step in 0.02 * np.array([[1, 0], [0, 1], [1, 0], [0, 1]]):
                shown, seen = picture(tilt @ se3.from_pose_vector([*step, 0, 0, 0, 0])), len(estimator.poses)
                graph.spin_until(
                    lambda seen=seen: len(estimator.poses) > seen + 15,
                    'poses',
                    lambda shown=shown: estimator.show(shown),
                )

        def transition(step: int) -> None:
            request = ChangeState.Request(transition=Transition(id=step))
            assert graph.call(ChangeState, 'pose_estimator/change_state', request).success

        answer = estimator.call('capture_reference', picture(tilt))
        assert answer.success, answer.message
        np.testing.assert_array_equal(Reference.load(folder).mask, mask)
        # While the estimator learns, the depth is found to be another.
        learn()
        assert Reference.load(folder).normal is None
        replace(Reference.load(folder), depth=2 * DEPTH).save(folder)
        assert estimator.call('load_reference', picture(tilt)).success
        loaded = Reference.load(folder)
        assert loaded.depth == 2 * DEPTH
        np.testing.assert_allclose(loaded.plane.slope, slope_of(tilt), atol=0.02)
        assert loaded.plane.sigma < np.radians(5.0)
        # Whoever takes the normal out has it forgotten.
        replace(loaded, normal=None, normal_sigma=None).save(folder)
        assert estimator.call('load_reference', picture(tilt)).success
        assert Reference.load(folder).normal is None
        learn()
        (folder / 'notes.txt').write_text('mine')
        transition(Transition.TRANSITION_DEACTIVATE)
        assert 'learned of the plane is not kept' in estimator.process.output
        (folder / 'notes.txt').unlink()
        transition(Transition.TRANSITION_ACTIVATE)
        assert estimator.process.end() == 0
        np.testing.assert_allclose(Reference.load(folder).plane.slope, slope_of(tilt), atol=0.02)
        assert 'Traceback' not in estimator.process.output
    finally:
        graph.close()


def test_a_mask_that_is_none_ends_the_start_with_a_sentence(tmp_path):
    (tmp_path / 'gripper.png').write_text('no image')
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, wait=False, mask=str(tmp_path / 'gripper.png'))
        assert estimator.process.wait() == 1
        assert 'gripper.png should be an encoded image' in estimator.process.output
        assert 'Traceback' not in estimator.process.output
    finally:
        graph.close()


@pytest.mark.parametrize(
    ('remap', 'topic'),
    [({}, 'image_raw/compressed'), ({'image_raw': 'wrist/color'}, 'wrist/color/compressed')],
)
def test_reads_compressed_images_after_any_remapping_of_image_raw(tmp_path, remap, topic):
    Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(tmp_path / 'here')
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(
            graph,
            wait=False,
            remap=remap,
            library=str(tmp_path),
            reference='here',
            image_transport='compressed',
        )
        images = graph.node.create_publisher(CompressedImage, topic, NEWEST)
        jpeg = cv2.imencode('.jpg', NEAR_PICTURE)[1].tobytes()

        def show(data: bytes) -> None:
            stamp = graph.now()
            estimator.infos.publish(messages.camera_to_message(CAMERA, stamp, 'camera_optical_frame'))
            message = CompressedImage(format='bgr8; jpeg compressed bgr8', data=data)
            message.header.stamp = stamp
            images.publish(message)

        graph.spin_until(lambda: estimator.word == 'tracked', 'the pose', lambda: show(jpeg))
        pose = messages.pose_from_message(estimator.poses[-1].pose.pose)
        assert se3.pose_error(se3.inverse(NEAR) @ pose)[0] < 1e-3
        graph.spin_until(lambda: 'PNG, JPEG' in estimator.reason, 'the reason', lambda: show(b'no image'))
        size = (60000).to_bytes(4, 'big')
        bomb = cv2.imencode('.png', NEAR_PICTURE)[1].tobytes()
        bomb = bomb[:16] + size + size + bomb[24:]
        graph.spin_until(lambda: 'is 60000x60000' in estimator.reason, 'the reason', lambda: show(bomb))
        graph.spin_until(lambda: estimator.word == 'tracked', 'the pose', lambda: show(jpeg))
        assert estimator.process.end() == 0
    finally:
        graph.close()


def test_a_corrupt_reference_is_refused_with_a_sentence_and_can_be_replaced(tmp_path):
    folder = Reference(REFERENCE_PICTURE, CAMERA, DEPTH).save(tmp_path / 'here')
    (folder / 'image.png').write_bytes(b'not an image')
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, library=str(folder.parent), reference=folder.name)
        estimator.show_until('no_reference', NEAR_PICTURE)
        assert 'should be an encoded image' in estimator.process.output
        assert estimator.call('capture_reference').success
        estimator.show_until('tracked', NEAR_PICTURE)
    finally:
        graph.close()


def test_a_signal_ends_a_capture_that_waits_for_an_image(tmp_path):
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, library=str(tmp_path), reference='here')
        client = graph.node.create_client(Trigger, 'pose_estimator/capture_reference')
        graph.spin_until(client.service_is_ready, 'the service')
        graph.spin(0.3)
        client.call_async(Trigger.Request())
        graph.spin(0.5)
        assert estimator.process.end() == 0
        assert 'was told to end' in estimator.process.output
        assert 'Traceback' not in estimator.process.output
    finally:
        graph.close()


def test_an_unreadable_reference_is_said_and_lifecycle_loops_need_no_more_memory(tmp_path):
    (tmp_path / 'here' / 'image.png').mkdir(parents=True)
    (tmp_path / 'here' / 'reference.yaml').symlink_to('reference.yaml')
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, library=str(tmp_path), reference='here')
        steps = [
            Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE,
        ]  # fmt: skip
        memory = []
        for _ in range(8):
            for step in steps:
                request = ChangeState.Request(transition=Transition(id=step))
                assert graph.call(ChangeState, 'pose_estimator/change_state', request).success
            memory.append(own_memory(estimator.process.process.pid))
        assert memory[-1] - memory[0] < 25.0, memory
        assert 'no reference loaded' in estimator.process.output
        services = graph.node.get_service_names_and_types_by_node('pose_estimator', f'/{graph.namespace}')
        assert sum(name.endswith('/load_reference') for name, _ in services) == 1
        assert estimator.process.end() == 0
    finally:
        graph.close()


def own_memory(pid: int) -> float:
    """Memory of a process that it shares with nobody, MiB."""
    resident, shared = map(int, Path(f'/proc/{pid}/statm').read_text().split()[1:3])
    return (resident - shared) * os.sysconf('SC_PAGE_SIZE') / 2**20


def test_a_missing_model_fails_the_transition_with_a_sentence(tmp_path):
    graph = Graph(tmp_path)
    try:
        estimator = Estimator(graph, wait=False, model='no_such_model', autostart=False)
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        assert not graph.call(ChangeState, 'pose_estimator/change_state', request).success
        assert graph.call(GetState, 'pose_estimator/get_state').current_state.label == 'unconfigured'
        assert estimator.process.end() == 0
        assert 'no_such_model' in estimator.process.output
        assert 'Traceback' not in estimator.process.output
        alone = Estimator(graph, wait=False, model='no_such_model')
        assert alone.process.wait() == 1
        assert 'no_such_model' in alone.process.output
    finally:
        graph.close()
