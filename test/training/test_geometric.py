from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnxscript')

import torch

from cnn_vs_ros import geometry
from cnn_vs_ros.estimation import Reference, load_model
from cnn_vs_ros.estimation.regression.hybrid import HybridEstimator
from cnn_vs_ros.estimation.regression.pair_regressor import PairNetwork
from cnn_vs_ros.geometry import PinholeCamera, se3
from training.errors import TrainingError
from training.images import textures
from training.networks import geometric, plane_pose
from training.networks.building import make_regressor
from training.networks.first_look import FirstLook
from training.networks.image_plane import ImagePlane
from training.networks.looks import Looks
from training.networks.onnx_weights import fold, read_folded
from training.networks.site import Site
from training.regression import pairs
from training.regression.options import RegressionOptions
from training.regression.training import Regression
from training.snapshot.generator import SnapshotGenerator, SnapshotSettings
from training.snapshot.perturbations import Perturbations

CAMERA = PinholeCamera(320, 240, 300.0, 300.0, 159.5, 119.5)
SITE = Site(64, 64, (0.1,) * 6, (60.0, 80.0, 31.5, 31.5))
VECTORS = np.random.default_rng(1).normal(size=(5, 6)) * [0.15, 0.15, 0.1, 0.3, 0.3, 0.9]
OPTIONS = RegressionOptions(
    architecture='geometric', epochs=2, batch=4, validation_images=4, learning_rate=1e-5
)  # the shipped weights stay useful
PLAIN = Perturbations(global_light=0.0, local_lights=0.0, occlusion=0.0)
FACING = pairs.facing_sampling()
SETTINGS = SnapshotSettings(
    width=64, height=64, count=6, fine=2, grey=True, outside='textured', perturbations=PLAIN
)


@pytest.fixture(scope='module')
def reference() -> Reference:
    picture = textures.draw(np.random.default_rng(3), 320)[:240]
    return Reference(picture, CAMERA, 0.25)


def run_of(reference: Reference) -> Regression:
    torch.set_num_threads(1)
    return Regression(reference, OPTIONS, SETTINGS, None, weights='shipped')


def test_six_equations_are_solved_by_blocks() -> None:
    rng = np.random.default_rng(0)
    factor, vector = rng.normal(size=(4, 6, 6)), rng.normal(size=(4, 6))
    matrix = factor @ factor.transpose(0, 2, 1) + np.eye(6)
    found = plane_pose.solve(torch.from_numpy(matrix).float(), torch.from_numpy(vector).float())
    np.testing.assert_allclose(found, np.linalg.solve(matrix, vector[..., None])[..., 0], atol=1e-4)


def test_poses_and_homographies_are_those_of_the_core() -> None:
    normal = np.array([0.2, -0.1, 1.0]) / np.linalg.norm([0.2, -0.1, 1.0])
    pose = plane_pose.pose_of_vector(torch.from_numpy(VECTORS).float())
    maps = plane_pose.homography(pose, torch.from_numpy(normal).float()).double().numpy()
    unit = PinholeCamera(2, 2, 1.0, 1.0, 0.0, 0.0)
    for vector, found in zip(VECTORS, maps, strict=True):
        wanted = geometry.plane_homography(se3.inverse(se3.from_pose_vector(vector)), 1.0, unit, unit, normal)
        np.testing.assert_allclose(found / found[2, 2], wanted / wanted[2, 2], atol=1e-5)
    np.testing.assert_allclose(plane_pose.pose_vector(pose), VECTORS, atol=1e-5)


def test_least_squares_finds_the_pose_among_wrong_points() -> None:
    normal = torch.tensor([0.0, 0.1, 0.995])
    points = torch.rand(1, 200, 2) - 0.5
    true = plane_pose.pose_of_vector(torch.from_numpy(VECTORS).float())
    seen, _ = plane_pose.transfer(plane_pose.homography(true, normal), points)
    seen[:, :40] += torch.rand(5, 40, 2)
    ones = torch.ones(5, 200)
    start = plane_pose.similarity_pose(points, seen, ones, (0.5, 0.3, 0.2))
    found = plane_pose.fit_pose(start, points, seen, ones, normal, (0.1,) * 4 + (0.01,) * 6)
    np.testing.assert_allclose(plane_pose.pose_vector(found), VECTORS, atol=5e-3)


@pytest.mark.parametrize('kind', [{'device': 'meta'}, {'dtype': torch.float64}])
def test_poses_are_of_the_device_and_type_of_what_they_come_from(kind: dict[str, Any]) -> None:
    pose = plane_pose.pose_of_vector(torch.full((5, 6), 0.1, **kind))
    points, normal = torch.ones(1, 9, 2, **kind), torch.ones(3, **kind)
    seen, weights = torch.ones(5, 9, 2, **kind), torch.ones(5, 9, **kind)
    found = plane_pose.fit_pose(geometric._near(pose), points, seen, weights, normal, (0.1,))
    vector = plane_pose.pose_vector(found)
    assert (vector.device.type, vector.dtype) == (kind.get('device', 'cpu'), kind.get('dtype', torch.float32))


def test_half_precision_is_refused() -> None:
    with pytest.raises(TrainingError, match='expected precision float32 for geometric'):
        replace(OPTIONS, precision='bfloat16')


def test_a_scene_is_located_before_it_is_trained_for(reference: Reference) -> None:
    settings = replace(SETTINGS, width=320, height=240)
    model = Regression(reference, OPTIONS, settings, None, weights='shipped').model.eval()
    sample = SnapshotGenerator(reference, settings, None).sample(1)
    with torch.inference_mode():
        found = model(torch.from_numpy(sample.image[None, None, ..., 0]).float())[0].double().numpy()
    assert np.linalg.norm(found[:3] - sample.pose[:3]) < 3e-3
    assert np.linalg.norm(found[3:] - sample.pose[3:]) < np.deg2rad(0.7)


@pytest.mark.parametrize(
    'vector',
    [
        [-0.0121, 0.0362, -0.0036, 0.3318, 0.6881, -0.6599],
        [-0.1007, 0.0431, -0.0153, -0.287, -0.1717, -0.0489],
        [0.0166, -0.0537, 0.0042, 0.0368, 0.5359, -0.6929],
    ],
)
def test_a_closer_look_finds_what_shows_an_edge_askew(vector: list[float]) -> None:
    """Starts of the benchmark's batches 7 and 9, of which the first look tells something else."""
    network = PairNetwork(load_model('scene_agnostic_pairs'))
    camera, pose = network.camera, se3.from_pose_vector(vector)
    desired = textures.draw(np.random.default_rng(5), 320)[:240]
    wide = PinholeCamera(960, 720, camera.fx, camera.fy, camera.cx + 320, camera.cy + 240)
    world = textures.draw(np.random.default_rng(6), 960)[:720].copy()
    world[240:480, 320:640] = desired
    seen, _ = geometry.warp_plane(world, se3.inverse(pose), 0.25, wide, current_camera=camera)
    found = network.vector(seen.astype(np.float32), desired.astype(np.float32))
    found[:3] *= 0.25
    distance, angle = se3.pose_error(se3.inverse(pose) @ se3.from_pose_vector(found))
    assert distance < 0.01
    assert angle < np.deg2rad(2)


class _Function(torch.nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function, self.calls = function, 0

    def forward(self, *given: torch.Tensor) -> Any:
        self.calls += 1
        return self.function(*given)


def test_a_closer_look_is_taken_in_doubt_alone_and_believed_where_it_leaves_less() -> None:
    """Images (B, 2) are the doubts that the first and the closer look lead to; the pose says which it is."""

    def look(images: torch.Tensor, x: float) -> plane_pose.Pose:
        return torch.eye(3).repeat(len(images), 1, 1), torch.full((len(images), 3), x)

    closer = _Function(lambda images: look(images, 1.0))
    looks = Looks(
        _Function(lambda images: (images, images, *look(images, 0.0))),
        _Function(lambda image, _, turn, place: (turn, place, image.gather(1, place[:, :1].long())[:, 0])),
        closer,
        _Function(lambda _, place: place[:, 0]),
    )
    taken, doubt = looks(torch.tensor([[-1.5, -2.0], [-1.1, -2.0]]))
    assert taken.tolist() == [0, 0]
    assert doubt.tolist() == pytest.approx([-1.5, -1.1])
    assert closer.calls == 0
    taken, doubt = looks(torch.tensor([[-1.5, -2.0], [1.5, -1.2], [1.5, 1.6], [0.5, -0.5]]))
    assert taken.tolist() == [0, 1, 0, 1]
    assert doubt.tolist() == pytest.approx([-1.5, -1.2, 1.5, -0.5])
    assert closer.calls == 1


def test_an_image_is_warped_as_opencv_does() -> None:
    camera = ImagePlane(64, 48, (60.0, 80.0, 30.5, 24.5))
    image = textures.draw(np.random.default_rng(3), 64)[:48].astype(np.float32)
    maps = torch.tensor([[[0.9, -0.2, 0.05], [0.1, 1.1, -0.1], [0.05, -0.02, 1.0]]])
    matrix = camera.matrix.double().numpy()
    pixels = matrix @ maps[0].double().numpy() @ np.linalg.inv(matrix)
    wanted = cv2.warpPerspective(
        image, pixels, (64, 48), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    found = camera.warped(torch.from_numpy(image)[None, None], maps)[0, 0].numpy()
    assert np.abs(found - wanted).mean() < 0.5  # of grey levels; OpenCV interpolates in steps of a 32nd


def test_a_copy_is_the_image_turned_about_its_middle() -> None:
    look = FirstLook(ImagePlane(64, 48, (60.0, 80.0, 30.5, 24.5)), 1, (0.1,), askew=False)
    image = torch.rand(1, 1, 48, 64)
    half = look.plane.warped(image, look.turns[4:5])
    torch.testing.assert_close(half, image.flip(2, 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(look.copy_rays[0], look.rays)
    assert look.copy_inside[0].all()


def test_tilted_poses_see_the_middle_where_it_was() -> None:
    points, weights = torch.rand(2, 30, 2) - 0.5, torch.rand(2, 30)
    facing = plane_pose.similarity_pose(points, points + 0.1, weights, (1.0,))
    tilts = torch.tensor([[0.0, 0.0, 0.0], [0.6, 0.0, 0.0], [0.0, -0.6, 0.0]])
    rotation, translation = plane_pose.tilted(facing, points, weights, tilts)
    middle = (weights[..., None] * points).sum(dim=1) / weights.sum(dim=1)[:, None]
    maps = plane_pose.homography((rotation, translation), torch.tensor([0.0, 0.0, 1.0]))
    seen, _ = plane_pose.transfer(maps, middle.repeat_interleave(3, dim=0)[:, None])
    torch.testing.assert_close(seen[:, 0], (middle + 0.1).repeat_interleave(3, dim=0), atol=1e-5, rtol=0)
    between = torch.einsum('bij,bij->b', rotation, facing[0].repeat_interleave(3, dim=0))  # 1 + 2 cos
    torch.testing.assert_close(torch.acos((between - 1) / 2).reshape(2, 3)[:, 1:], torch.full((2, 2), 0.6))


def test_what_a_pose_explains_is_counted() -> None:
    points = torch.rand(1, 50, 2) - 0.5
    still = torch.eye(3)[None], torch.zeros(1, 3)
    seen = points.clone()
    seen[:, :20, 0] += 0.02  # as far as counts for half
    seen[:, 20:30] += 5.0
    found = plane_pose.support(still, points, seen, torch.ones(1, 50), torch.tensor([0.0, 0.0, 1.0]), 0.02)
    assert float(found) == pytest.approx(20 + 10, abs=0.01)


def test_training_changes_what_measures_displacements_alone(reference: Reference) -> None:
    run = run_of(reference)
    before = copy.deepcopy(run.model.state_dict())
    run.take_step(*next(run.batches(0, workers=0)))
    after = run.model.state_dict()
    changed = {name.partition('.')[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {'displacements', 'features'}


def test_the_shipped_network_of_pairs_servoes_an_unseen_scene_alone(reference: Reference) -> None:
    network = PairNetwork(load_model('scene_agnostic_pairs'))
    estimator = HybridEstimator(network, photometric=False)
    estimator.set_reference(reference)
    pose = se3.from_pose_vector([0.02, -0.02, 0.02, 0.1, -0.1, 1.2])
    for _ in range(6):
        view, _ = geometry.warp_plane(reference.image, se3.inverse(pose), 0.25, CAMERA)
        pose = pose @ se3.inverse(estimator.estimate(view).transform)
    distance, angle = se3.pose_error(pose)
    assert distance < 1e-3
    assert angle < np.deg2rad(0.2)


def test_weights_are_read_back_from_the_file() -> None:
    packed = load_model('scene_agnostic_pairs')
    camera = PairNetwork(packed).camera
    site = Site(camera.width, camera.height, (1.0,) * 6, (camera.fx, camera.fy, camera.cx, camera.cy))
    model, _ = make_regressor('geometric_pairs', site, 'shipped')
    read_folded(model, packed.path)
    images = np.stack([textures.draw(np.random.default_rng(k), 320)[:240] for k in (3, 3)])[None].astype(
        np.float32
    )
    images[0, 0] = np.roll(images[0, 0], 7, axis=1)
    with torch.inference_mode():
        expected = model.eval()(torch.from_numpy(images)).numpy()
    (found,) = packed.run({'pose': 2}, images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_folding_leaves_the_network_as_it_is() -> None:
    torch.manual_seed(0)
    model, said = make_regressor('geometric_pairs', SITE, 'shipped')
    assert 'starts from the shipped matcher' in said
    model.eval()
    image = torch.rand(1, 1, 64, 64) * 255
    with torch.inference_mode():
        torch.testing.assert_close(
            fold(model).displacements.features(image), model.displacements.features(image), atol=1e-5, rtol=1e-4
        )


def test_other_weights_are_refused(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="expected weights 'shipped' for geometric_pairs"):
        make_regressor('geometric_pairs', SITE, 'none')
    with pytest.raises(TrainingError, match=r'expected an \.onnx model at'):
        Regression(reference, OPTIONS, SETTINGS, None, weights=str(tmp_path / 'gone.onnx'))
    with pytest.raises(TrainingError, match='in steps of 16 for geometric'):
        Regression(reference, OPTIONS, replace(SETTINGS, width=72), None, weights='shipped')


def test_a_view_past_the_snapshots_edge_shows_a_drawn_texture(reference: Reference) -> None:
    samples = [
        SnapshotGenerator(reference, replace(SETTINGS, outside=outside), None).sample(0)
        for outside in ('black', 'textured')
    ]
    beyond = samples[0].image == 0
    assert samples[0].visible < 1
    assert samples[1].image[beyond].std() > 5
    np.testing.assert_array_equal(samples[0].image[~beyond], samples[1].image[~beyond])
