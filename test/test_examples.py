"""The examples that need no ROS run as they stand; those of the commander are in test/test_commander.py."""

from __future__ import annotations

import subprocess
import sys

import cv2
import pytest

from cnn_vs_ros.geometry import se3
from cnn_vs_ros.resources import resource_path
from test.ros_graph import ROOT
from test.scenes import drawn_texture, view


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two pictures and a video of five images."""
    folder = tmp_path_factory.mktemp('examples')
    texture = drawn_texture()
    images = [view(texture, se3.from_pose_vector([0.002 * step, 0, 0, 0, 0, 0])) for step in range(5)]
    cv2.imwrite(str(folder / 'desired.png'), images[0])
    cv2.imwrite(str(folder / 'current.png'), images[4])
    video = cv2.VideoWriter(str(folder / 'video.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 30.0, (640, 480))
    for image in images:
        video.write(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    video.release()
    return folder


@pytest.mark.parametrize(
    ('name', 'arguments', 'said'),
    [
        ('two_images', ['desired.png', 'current.png'], 'acquired, confidence'),
        ('closed_loop', [str(resource_path('scenes/flower.jpg'))], ' s '),
        ('own_estimator', [str(resource_path('scenes/flower.jpg'))], ' s '),
        ('webcam', ['video.avi'], 'tracked'),
    ],
)
def test_an_example_runs(folder, name, arguments, said):
    script = f"import sys; sys.modules['rclpy'] = None; sys.path.insert(0, {str(ROOT)!r})\n"
    script += f'sys.argv = {[name, *arguments]!r}\nexec(open({str(ROOT / "examples" / f"{name}.py")!r}).read())'
    done = subprocess.run([sys.executable, '-c', script], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout
    if name == 'webcam':
        assert len(done.stdout.splitlines()) == 5
