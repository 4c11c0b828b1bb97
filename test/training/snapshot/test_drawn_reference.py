from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from training.identity import identity_of
from training.matcher.reference_groups import ReferenceGroups, ReferenceSampling
from training.snapshot.drawn_reference import DrawnReference

GRIPPER, BRIGHTEST = 255, 200
SIZE = (160, 120)


@pytest.fixture(scope='module')
def with_gripper(coloured: Reference) -> Reference:
    """A scene that is darker than the gripper across the lower part of it."""
    camera = coloured.camera.undistorted
    image = np.minimum(coloured.image, BRIGHTEST)
    mask = np.full(image.shape[:2], 255, np.uint8)
    mask[180:] = 0
    image[180:] = GRIPPER
    return replace(coloured, image=image, camera=camera, mask=mask)


def poses() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [se3.exp(rng.normal(0, (0.03, 0.03, 0.02, 0.1, 0.1, 0.4))) for _ in range(20)]


def test_what_the_mask_leaves_out_stays_where_it_is_and_is_seen_nowhere_else(with_gripper: Reference) -> None:
    drawn = DrawnReference(with_gripper, SIZE)
    for pose in poses():
        image, shown = drawn.view(pose)
        assert (image[91:] == GRIPPER).all()
        assert image[:89].max() <= BRIGHTEST
        assert not shown[90:].any()
    assert drawn.view(np.eye(4))[1][:88].all()


def test_where_the_gripper_hid_the_plane_it_is_not_shown(with_gripper: Reference) -> None:
    drawn = DrawnReference(with_gripper, SIZE)
    half_a_turn = se3.transform(se3.rotation_exp(np.array([0, 0, np.pi])), np.zeros(3))
    image, shown = drawn.view(half_a_turn, fill=7.0)
    assert not shown[:29].any()
    assert (image[:29] == 7).all()
    assert shown[32:88].all()


def test_cells_under_a_mask_have_no_match(with_gripper: Reference) -> None:
    groups = ReferenceGroups(with_gripper, ReferenceSampling(), seed=0, length=1)
    for seed in range(5):
        group = groups.group(np.random.default_rng(seed))
        assert not group.visible[1:, 91:].any()
        assert group.visible[1:, :89].any()
        bright = group.images[0] > 240
        assert not group.visible[0][bright].any()


def test_work_is_of_the_pixels_the_mask_the_plane_and_the_camera(with_gripper: Reference) -> None:
    others = [
        replace(with_gripper, image=with_gripper.image // 2),
        replace(with_gripper, mask=None),
        replace(with_gripper, depth=2 * with_gripper.depth),
        replace(with_gripper, normal=(0.1, 0.0, 0.995)),
        replace(with_gripper, camera=replace(with_gripper.camera, fx=301.0)),
    ]
    same = replace(with_gripper, mask=with_gripper.mask > 0)
    assert identity_of(same) == identity_of(with_gripper)
    for other in others:
        assert identity_of(other) != identity_of(with_gripper)
