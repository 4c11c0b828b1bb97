"""What is drawn of a camera."""

import numpy as np

from cnn_vs_ros.geometry.drawing import Trail, frustum
from test.scenes import CAMERA


def test_the_frustum_ends_at_the_corners_of_the_image():
    points = frustum(CAMERA, 0.5)
    assert points.shape == (16, 3)
    corners = points[1:8:2]
    np.testing.assert_allclose(corners[:, 2], 0.5)
    np.testing.assert_allclose(CAMERA.project(corners)[0], (-0.5, -0.5), atol=1e-9)
    np.testing.assert_allclose(CAMERA.project(corners)[2], (639.5, 479.5), atol=1e-9)
    assert not points[0:8:2].any()


def test_a_trail_has_a_point_for_each_half_millimetre():
    trail = Trail()
    assert trail.points.shape == (0, 3)
    for x in (0.0, 0.0002, 0.0004, 0.0006, 0.0006, 0.002):
        trail.add((x, 0.0, 1.0))
    np.testing.assert_allclose(trail.points, [(0, 0, 1), (0.0006, 0, 1), (0.002, 0, 1)])
