"""Every parser of foreign bytes, fed with damaged and with nasty ones: it reads them, or it raises our error.

`FUZZ_EXAMPLES=10000 make test ARGS="-k fuzz"` tries ten thousand inputs of each.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from cnn_vs_ros.control import DifferentialIk
from cnn_vs_ros.control.collision import CollisionCheck
from cnn_vs_ros.errors import CalibrationError, VisualServoingError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.model_file import ModelFile, load_model
from cnn_vs_ros.foreign.images import decode_image
from cnn_vs_ros.foreign.json_text import parse_json
from cnn_vs_ros.foreign.pixels import ENCODINGS
from cnn_vs_ros.foreign.yaml_text import parse_yaml
from cnn_vs_ros.geometry import PinholeCamera
from cnn_vs_ros.geometry.calibration_file import load_calibration
from cnn_vs_ros.nodes import messages
from cnn_vs_ros.resources import resource_path
from cnn_vs_ros.simulation import load_robot_description
from cnn_vs_ros.view.robot_shapes import robot_edges, robot_shapes
from test.files import claiming

EXAMPLES = int(os.environ.get('FUZZ_EXAMPLES', '0'))
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
CAMERA = PinholeCamera(64, 48, 60.0, 61.0, 31.0, 23.0, (0.1, -0.05, 0.001, 0.002, 0.0))
CALIBRATION = b"""image_width: 64
image_height: 48
camera_matrix: {rows: 3, cols: 3, data: [60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [-0.21, 0.05, 0.001, -0.002, 0.0]}
"""
URDF = load_robot_description().encode()
SMALL_URDF = b"""<robot name="r"><link name="a"><collision><geometry><box size="1 1 1"/></geometry></collision>
<visual><origin xyz="0 0 1" rpy="0 1 0"/><geometry><cylinder radius="1" length="2"/></geometry>
<material name="m"><color rgba="1 0 0 1"/></material></visual></link><link name="camera_optical_frame"/>
<joint name="j" type="revolute"><parent link="a"/><child link="camera_optical_frame"/><axis xyz="0 0 1"/>
<limit lower="-1" upper="1" effort="1" velocity="1"/></joint></robot>"""
NASTY = [
    b'[' * 3000, b'{a: ' * 3000, b'- ' * 3000, b'? ' * 3000, b'a: &a [1]\nb: *a\n', b'<<: {a: 1}\n', b'.inf',
    b'.nan', b'1e999', b'9' * 400, b'9' * 5000, b'1:' * 500 + b'1', b'2001-99-99', b'2001-02-30T25:61:61',
    b'!!binary x', b'!!python/object/apply:os.system [x]', b'!!timestamp 1', b'!!set {a}', b'!!int ""',
    b'!!float ""', b'!!bool x', b'\x00', b'\xff\xfe',
    b'\xf0\x9f\x98\x80', b'null', b'true', b'-1', b'0', b'1e300', b'1e-300', b'"', b"'", b'\n', b'\t', b': ',
    b'%YAML 9.9\n---\n', b'0o9', b'0x', b'<!DOCTYPE x [<!ENTITY e "e">]>', b'&e;', b'<link name="a"/>',
    b'<a>' * 100, b'<!--', b']]>', b'<![CDATA[', b'nan', b'1 2', b'type="floating"', b'type="planar"',
    b'type="mimic"', b'\xff\xff\xff\xff', b'\x7f\xff\xff\xff', b'II*\0',
]  # fmt: skip


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, IMAGE)[1].tobytes()


IMAGES = [encoded(suffix) for suffix in ('.png', '.jpg', '.bmp', '.tiff', '.webp', '.ppm')] + [
    claiming(encoded('.png'), *size) for size in ((60000, 60000), (30000, 30000), (0, 5), (2**32 - 1, 2**32 - 1))
]


def damaged(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with up to six places replaced, or bytes of any kind."""
    insertion = st.one_of(st.sampled_from(NASTY), st.binary(max_size=8))
    edit = st.tuples(st.floats(0, 1), st.integers(0, 12), insertion)

    def apply(seed: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
        for place, length, insertion in edits:
            at = round(place * len(seed))
            seed = seed[:at] + insertion + seed[at + length :]
        return seed

    mutated = st.builds(apply, st.sampled_from(seeds), st.lists(edit, max_size=6))
    return st.one_of(mutated, mutated, mutated, st.binary(max_size=64), st.sampled_from([*seeds, *NASTY]))


def in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            return read(path)

    return parse


def reference_with(name: str) -> Callable[[bytes], object]:
    def parse(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as folder:
            saved = Reference(IMAGE, CAMERA, 0.25).save(Path(folder) / 'r')
            (saved / name).write_bytes(data)
            return Reference.load(saved)

    return parse


def reference_yaml() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        known = Reference(IMAGE, CAMERA, 0.25, normal=(0.1, 0.2, 0.97), normal_sigma=0.02)
        return (known.save(Path(folder) / 'r') / 'reference.yaml').read_bytes()


def compressed(data: bytes) -> object:
    return messages.image_from_message(CompressedImage(format='jpeg', data=data))


def kinematics(data: bytes) -> object:
    ik = DifferentialIk(data.decode(errors='replace'))
    return ik.joint_velocities(np.zeros(len(ik.joint_names)), np.full(6, 0.1))


def collision(data: bytes) -> object:
    text = data.decode(errors='replace')
    ik = DifferentialIk(text)
    return CollisionCheck(ik, text, table=0.0).scale(np.zeros(len(ik.joint_names)), np.ones(len(ik.joint_names)))


def shown(data: bytes) -> object:
    text = data.decode(errors='replace')
    return robot_shapes(text), robot_edges(text)


def metadata(data: bytes) -> object:
    model = ModelFile('m', Path('m.onnx'), None, {'key': data.decode(errors='replace')})
    model.structure('key')
    return [refusal(lambda: model.number('key')), refusal(lambda: model.whole('key'))]


def json_text(data: bytes) -> object:
    try:
        return parse_json(data.decode(errors='replace'))
    except ValueError:
        return None


def refusal(read: Callable[[], object]) -> str:
    """What our error says, one sentence however long the input; empty where there is none."""
    try:
        read()
    except VisualServoingError as error:
        return str(error)
    return ''


@dataclass(frozen=True)
class Parser:
    """A parser, valid inputs of it, and how many of a thousand inputs it is given (slow ones get fewer)."""

    parse: Callable[[bytes], object]
    seeds: list[bytes]
    share: float = 0.1


PARSERS = {
    'yaml': Parser(lambda data: parse_yaml(data, 'text', CalibrationError), [CALIBRATION, reference_yaml()], 0.2),
    'calibration': Parser(in_file('c.yaml', load_calibration), [CALIBRATION], 0.2),
    'reference.yaml': Parser(reference_with('reference.yaml'), [reference_yaml()]),
    'image.png': Parser(reference_with('image.png'), IMAGES),
    'mask.png': Parser(reference_with('mask.png'), IMAGES, 0.05),
    'image': Parser(decode_image, IMAGES, 0.2),
    'compressed': Parser(compressed, IMAGES),
    'urdf': Parser(kinematics, [SMALL_URDF, URDF], 0.1),
    'collision': Parser(collision, [SMALL_URDF], 0.03),
    'shown urdf': Parser(shown, [SMALL_URDF, URDF], 0.1),
    'json': Parser(json_text, [b'{"a": [1, 2.5, "x"]}'], 0.1),
    'metadata': Parser(metadata, [b'128', b'[0.1, 0.2]', b'{"a": 1}'], 0.1),
    'model': Parser(
        in_file('m.onnx', load_model), [resource_path('weights/scene_agnostic.onnx').read_bytes()[:4096]], 0.05
    ),
}


@pytest.mark.parametrize('name', PARSERS)
def test_fuzz_a_parser_reads_what_comes_or_raises_our_error(name):
    parser = PARSERS[name]

    @settings(
        max_examples=EXAMPLES or round(1000 * parser.share),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(parser.seeds))
    def run(data: bytes) -> None:
        assert len(refusal(lambda: parser.parse(data))) < 1000

    run()


@settings(max_examples=EXAMPLES or 300, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([*ENCODINGS, '32FC1', '', 'x']),
    st.sampled_from([0, 1, 2, 5, 64, 2**16, 2**32 - 1]),
    st.sampled_from([0, 1, 2, 5, 48, 2**16, 2**32 - 1]),
    st.sampled_from([0, 1, 5, 64, 192, 256, 2**32 - 1]),
    st.sampled_from([0, 1, 5, 25, 48 * 64, 48 * 192, 48 * 256]),
)
def test_fuzz_an_image_message_is_an_image_or_refused(encoding, width, height, step, size):
    message = Image(encoding=encoding, width=width, height=height, step=step, data=bytes(size))
    try:
        image = messages.image_from_message(message)
    except VisualServoingError:
        return
    assert image.shape[:2] == (height, width)
    assert image.size > 0
    assert image.dtype == np.uint8


FLOATS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 1e3, 1e-300, 1e300, np.nan, np.inf, 320.0]), st.floats(allow_nan=True)
)


@settings(max_examples=EXAMPLES or 300, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([0, 1, 64, 2**16, 2**32 - 1]),
    st.sampled_from([0, 1, 48, 2**16, 2**32 - 1]),
    st.lists(FLOATS, min_size=9, max_size=9),
    st.one_of(st.lists(FLOATS, max_size=16), st.just([1000.0] * 5), st.just([0.1] * 1000)),
    st.sampled_from(['plumb_bob', 'rational_polynomial', 'equidistant', '', 'x' * 500]),
)
def test_fuzz_a_camera_info_is_a_camera_that_works_or_refused(width, height, k, d, model):
    try:
        camera = messages.camera_from_message(
            CameraInfo(width=width, height=height, k=k, d=d, distortion_model=model)
        )
    except VisualServoingError:
        return
    if camera.width * camera.height < 10**6:
        image = np.zeros((camera.height, camera.width, 3), np.uint8)
        assert camera.undistort(image).shape == image.shape
        assert np.isfinite(camera.rays([[0.0, 0.0]])).all()
        Reference(image, camera, 0.25) if min(camera.size) >= 32 else None


def test_fuzz_a_bag_is_read_or_refused(tmp_path):
    pytest.importorskip('rosbags')
    from cnn_vs_ros.bags import BagReader, BagWriter

    bag = tmp_path / 'bag'
    writer = BagWriter(bag)
    writer.add_topic('/text', 'std_msgs/msg/String', reliable=True, latched=False)
    for time in range(20):
        writer.write('/text', time, b'\0\1\0\0\5\0\0\0abcd\0')
    writer.close()
    whole = {path.name: path.read_bytes() for path in bag.iterdir()}
    (data,) = (name for name in whole if name.endswith('.mcap'))

    def read() -> None:
        with BagReader(bag) as reader:
            list(reader.messages('/text'))

    @settings(max_examples=EXAMPLES or 60, deadline=None, derandomize=True, database=None)
    @given(st.sampled_from(['metadata.yaml', data]), st.data())
    def run(name: str, draw: st.DataObject) -> None:
        for other, content in whole.items():
            (bag / other).write_bytes(content)
        (bag / name).write_bytes(draw.draw(damaged([whole[name]])))
        assert len(refusal(read)) < 1000

    run()
