from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

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
from cnn_vs_ros.estimation.regression.regressor import RegressorNetwork
from cnn_vs_ros.geometry import PinholeCamera, se3
from training.__main__ import main
from training.errors import TrainingError
from training.images import textures
from training.networks import plane_pose
from training.networks.building import make_regressor
from training.networks.onnx_weights import fold, read_folded
from training.networks.site import Site
from training.regression import pairs
from training.regression.export import export_regressor
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


@pytest.fixture(scope='module')
def whole(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> tuple[Regression, Path]:
    checkpoint = tmp_path_factory.mktemp('whole') / 'run.checkpoint'
    run = run_of(reference)
    run.run(checkpoint, progress=False)
    return run, checkpoint


def weights(model: torch.nn.Module) -> np.ndarray:
    return torch.cat([value.flatten().double() for value in model.state_dict().values()]).numpy()


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


def test_a_scene_is_located_before_it_is_trained_for(reference: Reference) -> None:
    settings = replace(SETTINGS, width=320, height=240)
    model = Regression(reference, OPTIONS, settings, None, weights='shipped').model.eval()
    sample = SnapshotGenerator(reference, settings, None).sample(1)
    with torch.inference_mode():
        found = model(torch.from_numpy(sample.image[None, None, ..., 0]).float())[0].double().numpy()
    assert np.linalg.norm(found[:3] - sample.pose[:3]) < 3e-3
    assert np.linalg.norm(found[3:] - sample.pose[3:]) < np.deg2rad(0.7)


def test_an_interrupted_run_goes_on_bit_for_bit(
    reference: Reference, whole: tuple[Regression, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Regression.take_step

    def interrupted(self: Regression, *batch: object) -> dict[str, float]:
        measured = step(self, *batch)
        if self.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return measured

    monkeypatch.setattr(Regression, 'take_step', interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_of(reference).run(tmp_path / 'run.checkpoint', progress=False)
    monkeypatch.setattr(Regression, 'take_step', step)
    resumed = run_of(reference)
    resumed.run(tmp_path / 'run.checkpoint', progress=False)
    assert resumed.step == whole[0].step == 4
    np.testing.assert_array_equal(weights(resumed.model), weights(whole[0].model))


def test_training_changes_what_measures_displacements_alone(
    reference: Reference, whole: tuple[Regression, Path]
) -> None:
    before, after = run_of(reference).model.state_dict(), whole[0].model.state_dict()
    changed = {name.partition('.')[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {'displacements', 'features'}


def test_the_exported_graph_agrees_with_torch(whole: tuple[Regression, Path], tmp_path: Path) -> None:
    run, checkpoint = whole
    model = run.load_best(checkpoint)
    export_regressor(run, model, tmp_path / 'scene.onnx')
    network = RegressorNetwork(load_model(tmp_path / 'scene.onnx'))
    image = np.roll(run.reference.image, 9, axis=1)
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(small)[None, None])[0].double().numpy()
    found = se3.pose_vector(network.pose(image, run.reference.camera))
    np.testing.assert_allclose(found, expected, atol=2e-5)


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
    model = make_regressor('geometric_pairs', SITE, 'shipped')[0].eval()
    image = torch.rand(1, 1, 64, 64) * 255
    with torch.inference_mode():
        torch.testing.assert_close(
            fold(model).displacements.features(image), model.displacements.features(image), atol=1e-5, rtol=1e-4
        )


def test_pairs_are_pretrained_into_a_model_of_any_reference(
    drawn_corpus: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reference: Reference,
) -> None:
    monkeypatch.setattr(pairs, 'facing_sampling', lambda: replace(FACING, width=64, height=64))
    arguments = ['--corpus', str(drawn_corpus), '--output', str(tmp_path), '--architecture', 'geometric_pairs']
    arguments += ['--epochs', '1', '--pairs', '2', '--batch', '2', '--validation-images', '2', '--workers', '0']
    assert main(['pretrain', *arguments]) == 0
    assert 'starts from the shipped matcher' in capsys.readouterr().out
    network = PairNetwork(load_model(tmp_path / 'model.onnx'))
    view = network.view(reference.image, reference.camera)
    assert np.isfinite(network.vector(view, view)).all()


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
