from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros import geometry
from training.matcher import targets

CAMERA = geometry.PinholeCamera(width=160, height=120, fx=150, fy=150, cx=79.5, cy=59.5)


def pose(rng: np.random.Generator) -> np.ndarray:
    rotation = geometry.se3.rotation_exp(rng.normal(0, 0.2, 3))
    return geometry.se3.transform(rotation, rng.normal(0, 0.08, 3))


def project(pose_in_camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    in_camera = points @ pose_in_camera[:3, :3].T + pose_in_camera[:3, 3]
    return CAMERA.fx * in_camera[:, :2] / in_camera[:, 2:] + (CAMERA.cx, CAMERA.cy)


def test_labels_agree_with_projected_3d_points() -> None:
    rng = np.random.default_rng(5)
    centres = targets.cell_centres(160, 120)
    everything = np.ones((120, 160), bool)
    for _ in range(5):
        first, second = pose(rng), pose(rng)
        homographies = [geometry.plane_homography(T, 1.0, CAMERA) for T in (first, second)]
        labels = targets.correspondences(*homographies, everything, everything)

        # The cell's ray meets the plane Z = 1 of the common frame; the point is then seen by the second camera.
        camera_to_plane = np.linalg.inv(first)
        rays = np.c_[(centres - (CAMERA.cx, CAMERA.cy)) / CAMERA.fx, np.ones(len(centres))]
        directions, origin = rays @ camera_to_plane[:3, :3].T, camera_to_plane[:3, 3]
        points = origin + directions * ((1.0 - origin[2]) / directions[:, 2])[:, None]
        pixels = project(second, points)
        cells = (pixels - 3.5) / 8
        inside = np.all((pixels > -0.5) & (pixels < (159.5, 119.5)), axis=1)

        assert np.array_equal(labels[:, 2] > 0, inside)
        assert 50 < inside.sum() <= 300
        clipped = np.clip(cells[inside], 0, (19, 14))
        np.testing.assert_allclose(labels[inside, :2], clipped, atol=1e-4)


def test_a_view_corresponds_to_itself_cell_by_cell() -> None:
    everything = np.ones((24, 40), bool)
    labels = targets.correspondences(np.eye(3), np.eye(3), everything, everything)
    columns, rows = np.meshgrid(np.arange(5), np.arange(3))
    np.testing.assert_allclose(labels[:, 0], columns.ravel(), atol=1e-6)
    np.testing.assert_allclose(labels[:, 1], rows.ravel(), atol=1e-6)
    assert labels[:, 2].all()


def test_cell_centres_are_symmetric_about_the_image_centre() -> None:
    centres = targets.cell_centres(160, 120)
    assert centres.shape == (300, 2)
    np.testing.assert_allclose(centres.mean(axis=0), (79.5, 59.5))
    np.testing.assert_allclose(centres[0] + centres[-1], (159, 119))


@pytest.mark.parametrize('occluded', ['here', 'there'])
def test_an_occluder_in_either_view_hides_the_cell(occluded: str) -> None:
    free, covered = np.ones((120, 160), bool), np.ones((120, 160), bool)
    covered[16:24, 32:40] = False  # cell in row 2, column 4
    here, there = (covered, free) if occluded == 'here' else (free, covered)
    labels = targets.correspondences(np.eye(3), np.eye(3), here, there)
    hidden = np.flatnonzero(labels[:, 2] == 0)
    assert hidden.tolist() == [2 * 20 + 4]


def test_points_behind_the_other_camera_are_not_visible() -> None:
    behind = np.diag([1.0, 1.0, -1.0])
    everything = np.ones((24, 40), bool)
    assert not targets.correspondences(np.eye(3), behind, everything, everything)[:, 2].any()


def test_group_targets_hold_both_directions_of_every_pair() -> None:
    rng = np.random.default_rng(2)
    homographies = np.stack([geometry.plane_homography(pose(rng), 1.0, CAMERA) for _ in range(3)])
    visible = np.ones((3, 120, 160), bool)
    labels = targets.group_targets(homographies, visible)
    assert labels.shape == (2, 3, 300, 3)
    pairs = targets.view_pairs(3)
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    backward = targets.correspondences(homographies[2], homographies[1], visible[2], visible[1])
    np.testing.assert_array_equal(labels[1, 2], backward)
