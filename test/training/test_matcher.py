from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('torch')

import torch

from training.matcher import targets
from training.matcher.loss import matching_outcome
from training.networks import matcher


def network(seed: int = 0) -> matcher.Matcher:
    torch.manual_seed(seed)
    return matcher.Matcher().eval()


def image(batch: int, height: int, width: int) -> torch.Tensor:
    values = np.random.default_rng(3).uniform(0, 255, (batch, 1, height, width))
    return torch.from_numpy(values.astype(np.float32))


def test_a_cell_sees_pixels_symmetric_about_its_centre() -> None:
    model = network()
    for parameter in model.stem.parameters():
        parameter.data.abs_()  # nothing is cut by a ReLU, so the gradient's support is the receptive field
    pixels = torch.ones(1, 2, 320, 336, requires_grad=True)
    row, column = 20, 21
    model.stem(pixels)[0, :, row, column].sum().backward()
    support = pixels.grad[0].abs().sum(dim=0) > 0
    rows, columns = (torch.nonzero(support.any(dim=axis)).ravel() for axis in (1, 0))
    assert (rows[0] + rows[-1]).item() / 2 == 8 * row + 3.5
    assert (columns[0] + columns[-1]).item() / 2 == 8 * column + 3.5


def test_mirroring_image_and_kernels_mirrors_the_grid() -> None:
    model, mirrored = network(), network()
    for module in mirrored.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.weight.data = module.weight.data.flip(-1)
    view = image(1, 120, 160)
    with torch.inference_mode():
        descriptors = model(view)[0].reshape(15, 20, -1)
        of_mirrored = mirrored(view.flip(-1))[0].reshape(15, 20, -1)
    torch.testing.assert_close(of_mirrored.flip(1), descriptors, atol=1e-4, rtol=1e-4)


def test_moving_the_image_by_a_stride_moves_the_cells_by_one() -> None:
    model = network()
    scene = image(1, 360, 416)
    scene -= scene.mean()  # the two crops differ in their global statistics; the stem alone is equivariant
    channels = torch.cat([scene, scene], dim=1) / 255
    with torch.inference_mode():
        first = model.stem(channels[..., :360, :400])
        moved = model.stem(channels[..., :360, 8:408])
    torch.testing.assert_close(moved[..., 15:30, 15:34], first[..., 15:30, 16:35], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('size', [(120, 160), (160, 160), (64, 96)])
def test_outputs_are_unit_descriptors_and_logits_for_any_multiple_of_eight(size: tuple[int, int]) -> None:
    with torch.inference_mode():
        descriptors, matchability = network()(image(2, *size))
    cells = size[0] * size[1] // 64
    assert descriptors.shape == (2, cells, 64)
    assert matchability.shape == (2, cells)
    torch.testing.assert_close(descriptors.norm(dim=-1), torch.ones(2, cells))


def test_exposure_hardly_changes_the_normalised_image() -> None:
    view = image(1, 120, 160)
    plain, lit = matcher.normalise(view), matcher.normalise(0.7 * view)
    assert (plain - lit).abs().mean() < 0.1 * plain.std()


def test_a_lamp_does_not_change_the_second_channel() -> None:
    view = image(1, 120, 160)
    x, y = torch.meshgrid(torch.arange(160.0), torch.arange(120.0), indexing='xy')
    lamp = 0.4 + 0.5 * torch.exp(-((x - 110) ** 2 + (y - 40) ** 2) / (2 * 40.0**2))
    plain, lit = matcher.normalise(view), matcher.normalise(view * lamp)
    change = (plain - lit).abs().mean(dim=(0, 2, 3))
    assert change[1] < 0.12 < 0.25 < change[0]


def test_normalisation_of_a_constant_image_is_zero() -> None:
    assert matcher.normalise(torch.full((1, 1, 64, 64), 130.0)).abs().max() < 1e-4


def test_window_means_cover_only_the_image_at_its_corners() -> None:
    view = image(1, 40, 48)
    mean = matcher._window_means(40, view) @ view @ matcher._window_means(48, view).T
    for seen, window in (
        (mean[0, 0, 0, 0], view[0, 0, :9, :9]),
        (mean[0, 0, 20, 47], view[0, 0, 12:29, 39:]),
        (mean[0, 0, 20, 20], view[0, 0, 12:29, 12:29]),
    ):
        torch.testing.assert_close(seen, window.mean(), atol=1e-3, rtol=1e-4)


def labels_and_ideal_descriptors() -> tuple[torch.Tensor, torch.Tensor]:
    """Two views, the second moved by exactly one cell, and descriptors unique to each scene point."""
    shift = np.array([[1.0, 0, 8], [0, 1, 0], [0, 0, 1]])
    visible = np.ones((2, 24, 40), bool)
    labels = torch.from_numpy(targets.group_targets(np.stack([np.eye(3), shift]), visible))[None]
    points = torch.nn.functional.normalize(torch.eye(18), dim=-1).reshape(3, 6, 18)
    descriptors = torch.stack([points[:, 1:], points[:, :5]]).reshape(1, 2, 15, 18)
    return labels, descriptors


def test_ideal_descriptors_match_everywhere_and_cost_little() -> None:
    labels, descriptors = labels_and_ideal_descriptors()
    outcome = matching_outcome(
        descriptors, torch.zeros(1, 2, 15), labels,
        temperature=torch.tensor(30.0), dustbin=torch.tensor(15.0), columns=5,
    )  # fmt: skip
    assert outcome.visible == 24  # 12 of 15 cells in either direction
    assert outcome.correct == 24
    assert outcome.match < 1e-3
    assert outcome.no_match < 1e-3


def test_the_loss_is_the_likelihood_of_the_documented_rule() -> None:
    labels, descriptors = labels_and_ideal_descriptors()
    matchability = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (1, 2, 15)).astype(np.float32))
    outcome = matching_outcome(
        descriptors, matchability, labels,
        temperature=torch.tensor(3.0), dustbin=torch.tensor(1.5), columns=5,
    )  # fmt: skip
    match, no_match = [], []
    for direction, (a, b) in enumerate(((0, 1), (1, 0))):
        similarity = 3.0 * descriptors[0, a] @ descriptors[0, b].T
        logits = torch.cat([similarity, (1.5 - matchability[0, a])[:, None]], dim=1).log_softmax(dim=1)
        for cell, (x, y, visible) in enumerate(labels[0, direction, 0].tolist()):
            if visible:
                match.append(-logits[cell, round(y) * 5 + round(x)].item())
            else:
                no_match.append(-logits[cell, -1].item())
    assert outcome.match.item() == pytest.approx(np.mean(match), rel=1e-4)
    assert outcome.no_match.item() == pytest.approx(np.mean(no_match), rel=1e-4)
