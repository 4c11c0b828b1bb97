from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('onnxscript')

import torch

from cnn_vs_ros.estimation import Reference, load_estimator, load_model
from cnn_vs_ros.estimation.regression.pair_regressor import PairNetwork, PairRegressor
from cnn_vs_ros.geometry import PinholeCamera, plane_homography, se3
from training.__main__ import main
from training.images.views import ViewSampling, sample_group
from training.networks.regressor import PoseRegressor, load_weights
from training.regression.pairs import FOCAL, ImagePairs, deviations, sampling

SMALL = ViewSampling(width=64, height=64, views=2, framed=0.0, focal=FOCAL)


def test_the_label_is_the_motion_between_the_two_views() -> None:
    rng = np.random.default_rng(4)
    texture = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    group = sample_group(texture, SMALL, rng, lambda: texture)
    desired, current = group.poses
    camera = PinholeCamera(64, 64, FOCAL * 64, FOCAL * 64, 31.5, 31.5)
    # The homography between the views follows from the label and the plane as the desired camera sees it.
    current_T_desired = current @ se3.inverse(desired)
    normal, depth = desired[:3, 2], float(desired[:3, 2] @ (desired[:3, 3] + desired[:3, 2]))
    expected = plane_homography(current_T_desired, depth, camera, normal=normal)
    found = group.homographies[1] @ np.linalg.inv(group.homographies[0])
    np.testing.assert_allclose(found / found[2, 2], expected / expected[2, 2], atol=1e-6)


def test_pairs_are_reproducible_and_unlike_each_other(drawn_corpus: Path) -> None:
    data = [ImagePairs(drawn_corpus, 'train', SMALL, seed=1, length=4) for _ in range(2)]
    images, pose = data[0][2]
    assert images.shape == (2, 64, 64)
    assert torch.equal(images, data[1][2][0])
    assert not torch.equal(pose, data[0][3][1])


def test_deviations_are_those_of_the_draw(drawn_corpus: Path) -> None:
    data = ImagePairs(drawn_corpus, 'train', SMALL, seed=1, length=300)
    poses = torch.stack([data[index][1] for index in range(300)]).numpy()
    np.testing.assert_allclose(poses.std(axis=0), deviations(SMALL), rtol=0.25)


def test_two_images_share_the_weights_of_one(tmp_path: Path) -> None:
    one = PoseRegressor('mobilenet_v3_small', width=64, height=64, scale=[1.0] * 6)
    torch.save({f'features.{k}': v for k, v in one.body.state_dict().items()}, tmp_path / 'one.pth')
    two = PoseRegressor('mobilenet_v3_small_pairs', width=64, height=64, scale=[1.0] * 6)
    load_weights(two, str(tmp_path / 'one.pth'))
    image = torch.rand(1, 1, 64, 64) * 255
    with torch.inference_mode():
        same = two.eval().body(torch.cat([(image.expand(-1, 3, -1, -1) - two.mean) / two.deviation] * 2, dim=1))
        expected = one.eval().body((image.expand(-1, 3, -1, -1) - one.mean) / one.deviation)
    torch.testing.assert_close(same, expected)


def test_pretrain_writes_a_model_of_pairs_that_servoes_any_reference(
    drawn_corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        '--architecture',
        'mobilenet_v3_small_pairs',
        '--weights',
        'none',
        '--epochs',
        '1',
        '--pairs',
        '4',
    ]
    arguments += ['--batch', '2', '--validation-images', '2', '--workers', '0']
    assert main(['pretrain', '--corpus', str(drawn_corpus), '--output', str(tmp_path), *arguments]) == 0
    assert 'on unseen scenes' in capsys.readouterr().out
    network = PairNetwork(load_model(tmp_path / 'model.onnx'))
    picture = np.random.default_rng(0).integers(0, 255, (480, 640), dtype=np.uint8)
    camera = PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5)
    near, far = (PairRegressor(network, Reference(picture, camera, depth)) for depth in (0.25, 0.5))
    moved = np.roll(picture, 5, axis=1)
    np.testing.assert_allclose(far.pose(moved)[:3, 3], 2 * near.pose(moved)[:3, 3], rtol=1e-6)
    np.testing.assert_allclose(far.pose(moved)[:3, :3], near.pose(moved)[:3, :3], atol=1e-9)
    estimator = load_estimator(tmp_path / 'model.onnx')
    estimator.set_reference(Reference(picture, camera, 0.25))
    assert estimator.estimate(picture).confidence > 0.5  # the photometric half takes over


def test_the_networks_camera_sees_the_middle_of_the_image() -> None:
    network = PairNetwork.__new__(PairNetwork)
    network.camera = PinholeCamera(224, 224, 280.0, 280.0, 111.5, 111.5)
    columns = np.tile((np.arange(640) // 3).astype(np.uint8), (480, 1))
    view = network.view(columns, PinholeCamera(640, 480, 600.0, 600.0, 319.5, 239.5))
    assert view.shape == (224, 224)
    assert abs(float(view[:, 111:113].mean()) - 319.5 / 3) < 1.0


def test_the_default_pairs_suit_the_papers_networks() -> None:
    assert (sampling().width, sampling().height, sampling().views) == (224, 224, 2)


def test_an_unknown_architecture_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['pretrain', '--corpus', str(tmp_path), '--output', str(tmp_path), '--architecture', 'vgg19']) == 2
    assert 'expected an architecture among matcher, vgg16_pairs' in capsys.readouterr().err
