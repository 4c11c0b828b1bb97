from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.perturbations import Perturbations, relight
from training.snapshot.viewpoints import ViewpointDraw

NOMINAL = Perturbations(global_light=0, local_lights=0, occlusion=0)
STILL = ViewpointDraw(translation=(0, 0, 0), rotation=(0, 0, 0))


def settings(**changes: object) -> SnapshotSettings:
    values = {'width': 224, 'height': 168, 'count': 40, 'fine': 10, 'perturbations': NOMINAL, 'outside': 'black'}
    return SnapshotSettings(**{**values, **changes})  # type: ignore[arg-type]


def rodrigues(vector: np.ndarray) -> np.ndarray:
    """Rotation of an axis-angle vector by its definition, apart from the library's."""
    theta = np.linalg.norm(vector)
    x, y, z = vector / theta
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(theta) * K + (1 - np.cos(theta)) * K @ K


@pytest.mark.parametrize('index', [0, 1, 2, 3, 4, 5, 44])
def test_labels_agree_with_projected_points(dotted: Reference, dots: np.ndarray, index: int) -> None:
    sample = SnapshotGenerator(dotted, settings(), None).sample(index)
    reference = dotted.camera
    rays = np.c_[(dots - (reference.cx, reference.cy)) / (reference.fx, reference.fy), np.ones(len(dots))]
    # c0_T_c takes points of the camera to the reference camera; the dots go the other way.
    points = (0.30 * rays - sample.pose[:3]) @ rodrigues(sample.pose[3:])
    sx, sy = 224 / 640, 168 / 480
    u = sx * (reference.fx * points[:, 0] / points[:, 2] + reference.cx + 0.5) - 0.5
    v = sy * (reference.fy * points[:, 1] / points[:, 2] + reference.cy + 0.5) - 0.5
    found = 0
    grey = sample.image[..., 0].astype(np.float64)
    for x, y in zip(u, v, strict=True):
        if not (12 < x < 211 and 12 < y < 155):
            continue
        left, top = round(x) - 8, round(y) - 8
        patch = grey[top : top + 17, left : left + 17]
        columns, rows = np.meshgrid(np.arange(17), np.arange(17))
        centre = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum() + (left, top)
        np.testing.assert_allclose(centre, [x, y], atol=0.12)
        found += 1
    assert found >= 3


def test_at_the_reference_pose_the_image_is_the_resized_reference(dotted: Reference, coloured: Reference) -> None:
    sample = SnapshotGenerator(dotted, settings(viewpoints=STILL), None).sample(0)
    twice = cv2.resize(dotted.image, (448, 336), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(twice, (224, 168), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(sample.image[..., 0].astype(int), expected.astype(int), atol=1)
    assert sample.visible > 0.999
    np.testing.assert_array_equal(sample.pose, 0)
    same_size = settings(viewpoints=STILL, width=320, height=240)
    ideal = SnapshotGenerator(coloured, same_size, None).sample(0).image
    np.testing.assert_array_equal(ideal, coloured.camera.undistort(coloured.image))


def test_samples_depend_on_seed_and_index_alone(coloured: Reference, bank: ClusterBank) -> None:
    drawn = settings(perturbations=Perturbations(noise=2.0), seed=5)
    first, second = SnapshotGenerator(coloured, drawn, bank), SnapshotGenerator(coloured, drawn, bank)
    forward = [first.sample(index) for index in range(6)]
    for index in reversed(range(6)):
        again = second.sample(index)
        np.testing.assert_array_equal(again.image, forward[index].image)
        np.testing.assert_array_equal(again.pose, forward[index].pose)
    other = SnapshotGenerator(coloured, replace(drawn, seed=6), bank).sample(0)
    assert not np.array_equal(other.pose, forward[0].pose)


def test_a_perturbation_leaves_viewpoints_and_the_other_perturbations(
    coloured: Reference, bank: ClusterBank
) -> None:
    both = Perturbations(global_light=1, local_lights=1, occlusion=1)
    for index in range(8):
        generator = SnapshotGenerator(coloured, settings(), bank)
        all_of_it = generator.sample(index, both)
        unlit = generator.sample(index, replace(both, global_light=0, local_lights=0))
        nominal = generator.sample(index)
        np.testing.assert_array_equal(all_of_it.pose, nominal.pose)
        assert all_of_it.occluded == unlit.occluded > 0
        assert (all_of_it.lights, unlit.lights, nominal.lights) == (all_of_it.lights, 0, 0)
        assert all_of_it.lights >= 1
        changed = (unlit.image != nominal.image).any(axis=2).mean()
        assert changed <= unlit.occluded + 1e-9


def test_fine_samples_follow_the_wide_ones_in_every_round(dotted: Reference) -> None:
    generator = SnapshotGenerator(dotted, settings(), None)
    for start in (0, 50):
        assert [generator.sample(start + i).fine for i in range(50)] == [False] * 40 + [True] * 10
    assert not np.array_equal(generator.sample(0).pose, generator.sample(50).pose)
    assert np.abs(generator.sample(45).pose).max() < 0.02


def test_the_shares_are_those_asked_for(coloured: Reference, bank: ClusterBank) -> None:
    asked = Perturbations(global_light=0.2, local_lights=0.5, occlusion=0.8)
    generator = SnapshotGenerator(coloured, settings(width=32, height=24, count=400, perturbations=asked), bank)
    samples = [generator.sample(index) for index in range(400)]
    shares = np.mean([[s.global_light, s.lights > 0, s.occluded > 0] for s in samples], axis=0)
    np.testing.assert_allclose(shares, [0.2, 0.5, 0.8], atol=0.1)  # deviations 0.02 to 0.025
    assert {s.lights for s in samples} == {0, 1, 2, 3}


def test_global_light_is_affine() -> None:
    image = np.arange(60, 180, dtype=np.uint8).reshape(1, 120, 1).repeat(4, axis=0)
    only = replace(NOMINAL, global_light=1.0, gain=(0.5, 0.5), offset=(20.0, 20.0))
    lit, changed, lights = relight(image, only, np.random.default_rng(0))
    assert (changed, lights) == (True, 0)
    np.testing.assert_array_equal(lit, np.rint(0.5 * image.astype(float) + 20))


def test_grey_is_grey(coloured: Reference, bank: ClusterBank) -> None:
    occluded = replace(NOMINAL, occlusion=1.0)
    generator = SnapshotGenerator(coloured, settings(grey=True, perturbations=occluded), bank)
    assert generator.sample(0).image.shape == (168, 224, 1)
    assert SnapshotGenerator(coloured, settings(), None).sample(0).image.shape == (168, 224, 3)


@pytest.mark.parametrize(
    'wrong',
    [{'width': 4}, {'count': 0, 'fine': 0}, {'count': -1}, {'seed': -1}, {'outside': 'purple'}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError, match='expected'):
        settings(**wrong)


@pytest.mark.parametrize(
    'wrong',
    [
        {'occlusion': 1.5},
        {'global_light': -0.1},
        {'gain': (1.4, 0.6)},
        {'offset': (0.0, float('inf'))},
        {'lights': 0},
        {'occluder_scale': (0.0, 1.0)},
        {'noise': -1.0},
    ],
)
def test_perturbations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(TrainingError, match='expected'):
        Perturbations(**wrong)
