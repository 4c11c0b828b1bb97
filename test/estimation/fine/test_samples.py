"""Derivatives of the alignment, against differences of what they are derivatives of."""

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.estimation.fine.samples import Samples, at_nearest, project, sample
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view

POSE = se3.from_pose_vector([0.03, -0.025, 0.04, 0.25, -0.2, 0.6])
PLANE = ScenePlane.with_normal(DEPTH, (0.5, -0.7, 1.0))
SMALL = 1e-3


@pytest.fixture(scope='module')
def samples():
    level = ImagePyramid(view(drawn_texture(), np.eye(4)), CAMERA).levels[0]
    return Samples(level, 0, level.camera.resized(40, 30), 1200)


def seen_at(samples, pose, plane):
    """Normalised coordinates (N, 2) at which the camera sees all of the samples, in double precision."""
    rays = samples.rays.astype(np.float64).T
    points = rays * (DEPTH / (rays @ plane.normal))[:, None]
    moved = points @ pose[:3, :3].T + pose[:3, 3]
    return moved[:, :2] / moved[:, 2:]


def projected(samples, pose=POSE, plane=PLANE):
    found = project(samples, CAMERA.resized(80, 60), pose, plane)
    assert found is not None
    return found


def test_samples_are_taken_where_the_reference_shows_the_scene(samples):
    level = ImagePyramid(view(drawn_texture(), np.eye(4)), CAMERA).levels[0]
    valid = np.ones(level.grey.shape, bool)
    valid[:, 50:] = False
    part = Samples(replace(level, valid=valid), 0, level.camera.resized(40, 30), 1200)
    assert 0.55 < part.count / samples.count < 0.7
    assert part.rays[0].max() < level.camera.rays(np.array([50.0, 0.0]))[0] <= samples.rays[0].max()
    assert len(part.value) == len(part.gradient_x) == len(part.gradient_y) == len(part.cells.cell) == part.count


def test_samples_project_where_the_camera_sees_their_points(samples):
    found = projected(samples)
    expected = seen_at(samples, POSE, PLANE)[found.index]
    np.testing.assert_allclose(np.stack([found.x, found.y], axis=1), expected, atol=2e-6)
    assert 0.4 * samples.count < len(found.x) < samples.count  # some of them are out of view


MOTIONS = [f'motion {axis}' for axis in ('x', 'y', 'z', 'about x', 'about y', 'about z')]


@pytest.mark.parametrize('parameter', range(8), ids=[*MOTIONS, 'slope a', 'slope b'])
def test_each_row_of_the_jacobian_is_the_difference_that_its_parameter_makes(samples, parameter):
    """For an image of any gradient: a ramp's grey level is linear in where it is seen."""
    found = projected(samples)
    rng = np.random.default_rng(3)
    ramp = rng.normal(size=(2, len(found.x)))

    def level(step):
        change = np.zeros(8)
        change[parameter] = step
        pose, plane = se3.exp(change[:6]) @ POSE, PLANE.at(PLANE.slope + change[6:])
        return (ramp * seen_at(samples, pose, plane)[found.index].T).sum(axis=0)

    difference = (level(SMALL) - level(-SMALL)) / (2 * SMALL)
    row = found.jacobian(*ramp.astype(np.float32))[parameter]
    np.testing.assert_allclose(row, difference, atol=2e-4 * np.abs(difference).max())


def test_the_gradient_of_the_reference_is_carried_to_where_the_image_shows_it(samples):
    """A ramp over the reference, seen from elsewhere: its gradient there, over what is around each sample."""
    found = projected(samples)
    x, y = samples.rays[0][found.index].astype(np.float64), samples.rays[1][found.index].astype(np.float64)
    # Reference of the level 3 x + 2 y + x y.
    carried = np.stack(found.carried((3 + y).astype(np.float32), (2 + x).astype(np.float32)))
    back = np.linalg.inv(POSE[:3, :3] + np.outer(POSE[:3, 3], PLANE.normal) / DEPTH)

    def level(x_seen, y_seen):
        rays = back @ np.stack([x_seen, y_seen, np.ones_like(x_seen)])
        x_there, y_there = rays[:2] / rays[2]
        return 3 * x_there + 2 * y_there + x_there * y_there

    here = found.x.astype(np.float64), found.y.astype(np.float64)
    along_x = (level(here[0] + SMALL, here[1]) - level(here[0] - SMALL, here[1])) / (2 * SMALL)
    along_y = (level(here[0], here[1] + SMALL) - level(here[0], here[1] - SMALL)) / (2 * SMALL)
    np.testing.assert_allclose(carried, [along_x, along_y], rtol=1e-3, atol=1e-3)


def test_samples_between_pixels_are_interpolated_and_nearest_ones_are_not():
    rows, columns = np.mgrid[0:6, 0:8].astype(np.float32)
    image = np.stack([columns + 10 * rows, columns * rows], axis=2)
    column, row = np.array([1.25, 6.5, 3.0], np.float32), np.array([2.75, 0.5, 4.0], np.float32)
    expected = np.stack([column + 10 * row, column * row], axis=1)
    np.testing.assert_allclose(sample(image, column, row), expected, atol=1e-5)
    np.testing.assert_array_equal(at_nearest(image[..., 0], column, row), [31, 17, 43])
