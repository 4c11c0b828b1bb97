"""Local light: what is left of it is taken over what both images show, and nothing in front of the scene."""

import numpy as np
import pytest

from cnn_vs_ros.estimation.fine.local_light import LightModel
from cnn_vs_ros.estimation.fine.samples import Samples
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.estimation.pyramid import ImagePyramid
from test.scenes import CAMERA, DEPTH, drawn_texture, view

PLANE = ScenePlane(DEPTH)
GRID = CAMERA.resized(40, 30)
BESIDE = np.s_[10:20, 21:24]  # cells next to the occluder, which is on the left half


@pytest.fixture(scope='module')
def level():
    return ImagePyramid(view(drawn_texture(), np.eye(4)), CAMERA).levels[1]


@pytest.fixture(scope='module')
def covered():
    """Return the same view with bars of far more contrast over its left half."""
    image = view(drawn_texture(), np.eye(4))
    image[:, :320] = np.where(np.arange(320) // 12 % 2, 5, 250).astype(np.uint8)
    return ImagePyramid(image, CAMERA).levels[1]


def statistics(reference, current, coverage=None):
    return LightModel(reference, GRID).field(current, np.eye(4), PLANE, coverage).statistics


def test_the_same_image_has_the_same_light(level):
    found = statistics(level, level)
    np.testing.assert_allclose(found[..., :2], found[..., 2:], atol=1e-3)


def test_light_beside_an_occluder_is_that_of_the_scene_where_its_cover_is_known(level, covered):
    clean = statistics(level, level)[BESIDE]
    coverage = np.ones((GRID.height, GRID.width), np.float32)
    coverage[:, :21] = 0.0
    contrast = {
        known: np.sqrt(statistics(level, covered, coverage if known else None)[BESIDE][..., 1] / clean[..., 1])
        for known in (False, True)
    }
    assert contrast[False].mean() > 1.5
    assert abs(contrast[True].mean() - 1.0) < 0.25


def test_the_reference_is_taken_over_what_is_not_covered_as_well(level, covered):
    """However much contrast it has where the other image shows something else."""
    coverage = np.ones((GRID.height, GRID.width), np.float32)
    coverage[:, :21] = 0.0
    found = statistics(covered, level, coverage)[BESIDE]
    np.testing.assert_allclose(found[..., 1], found[..., 3], rtol=0.35)


def test_the_cover_of_a_cell_is_the_mean_weight_about_it_and_cells_without_samples_are_not_covered(level):
    samples = Samples(level, 1, GRID, 4800)
    model = LightModel(level, GRID)
    hidden = samples.rays[0] < 0  # the left half
    coverage = model.coverage(samples.cells.cell, np.where(hidden, 0.0, 1.0).astype(np.float32))
    assert coverage[2:-2, 1:18].max() == 0.0
    assert coverage[2:-2, 22:-1].min() == 1.0
    some = samples.rays[1] > 0  # there are samples in the lower half alone
    coverage = model.coverage(samples.cells.cell[some], np.zeros(int(some.sum()), np.float32))
    assert coverage[:12].min() == 1.0
    assert coverage[17:-2, 1:-1].max() == 0.0
