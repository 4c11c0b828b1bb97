"""What a researcher imports: the names, and the snippet that the documentation shows."""

import subprocess
import sys

import numpy as np
import pytest

import cnn_vs_ros as vs
from test.scenes import CAMERA, drawn_texture, view


def test_public_names():
    assert set(vs.__all__) == {
        'AdaptiveGain',
        'DifferentialIk',
        'Estimator',
        'PbvsLaw',
        'PinholeCamera',
        'PoseEstimator',
        'PoseStatus',
        'Reference',
        'RelativePose',
        'ScenePlane',
        'TwistLimiter',
        'VisualServoingError',
        'load_estimator',
    }
    for name in vs.__all__:
        assert getattr(vs, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match='no attribute'):
        vs.PoseGuesser  # noqa: B018


def test_a_reference_and_an_image_make_a_twist():
    texture = drawn_texture()
    image = view(texture, np.eye(4))
    reference = vs.Reference(image, CAMERA, depth=0.25)
    estimator = vs.PoseEstimator.load('scene_agnostic')
    estimator.set_reference(reference)
    twist = vs.PbvsLaw(gain=0.8)(estimator.estimate(image))
    assert twist.shape == (6,)
    assert np.abs(twist).max() < 1e-4


@pytest.mark.parametrize('package', ['geometry', 'estimation', 'control', 'simulation'])
def test_the_core_knows_no_ros(package):
    code = f'import cnn_vs_ros.{package}, sys; print([m for m in sys.modules if m.startswith("rclpy")])'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == '[]'


@pytest.mark.parametrize(
    ('module', 'absent'),
    [('control', 'onnxruntime'), ('nodes.move_arm', 'mujoco'), ('simulation.starts', 'mujoco')],
)
def test_a_module_loads_no_library_that_it_does_not_use(module, absent):
    code = f'import cnn_vs_ros.{module}, sys; print({absent!r} in sys.modules)'
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == 'False'
