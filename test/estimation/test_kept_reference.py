"""What the estimator learned of the plane goes into the reference folder, and nothing else changes there."""

from dataclasses import replace

import numpy as np
import pytest

from cnn_vs_ros.errors import ReferenceFolderError
from cnn_vs_ros.estimation import Reference, ScenePlane
from cnn_vs_ros.estimation.kept_reference import KeptReference
from cnn_vs_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(64, 48, 60.0, 61.0, 31.0, 23.0)
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64), dtype=np.uint8)
LEARNED = ScenePlane.with_normal(0.25, (0.4, -0.1, 1.0), 0.03)


class Learner:
    """Stands for an estimator: believes of the plane what its reference says until it is taught."""

    reference = believed_plane = None

    def set_reference(self, reference):
        self.reference, self.believed_plane = reference, reference.plane

    def forget_reference(self):
        self.reference = self.believed_plane = None


@pytest.fixture
def folder(tmp_path):
    return Reference(IMAGE, CAMERA, 0.25).save(tmp_path / 'goal')


@pytest.fixture
def estimator():
    return Learner()


@pytest.fixture
def kept(estimator, folder):
    result = KeptReference(estimator)
    result.load(folder)
    return result


def test_what_was_learned_is_there_the_next_time(kept, estimator, folder):
    estimator.believed_plane = LEARNED
    assert kept.keep_plane() is not None
    again = KeptReference(Learner()).load(folder)
    np.testing.assert_allclose(again.plane.slope, LEARNED.slope)
    assert again.plane.sigma == pytest.approx(LEARNED.sigma)
    assert kept.keep_plane() is None  # once is enough


def test_what_is_hardly_surer_is_not_written(kept, estimator, folder):
    assert kept.keep_plane() is None
    estimator.believed_plane = LEARNED
    kept.keep_plane()
    for sigma, is_written in ((0.8 * LEARNED.sigma, False), (0.6 * LEARNED.sigma, True)):
        estimator.believed_plane = ScenePlane.with_normal(0.25, (0.41, -0.1, 1.0), sigma)
        assert (kept.keep_plane() is not None) is is_written


def test_a_depth_and_a_mask_that_came_meanwhile_stay(kept, estimator, folder):
    mask = np.full(IMAGE.shape, 255, np.uint8)
    mask[:5] = 0
    Reference(IMAGE, CAMERA, 0.4, 0.001, mask=mask).save(folder)
    estimator.believed_plane = LEARNED
    kept.keep_plane()
    loaded = kept.load(folder)
    assert (loaded.depth, loaded.depth_sigma) == (0.4, 0.001)
    np.testing.assert_array_equal(loaded.mask, mask)
    np.testing.assert_allclose(loaded.plane.slope, LEARNED.slope)


@pytest.mark.parametrize(
    'other',
    [
        Reference(255 - IMAGE, CAMERA, 0.25),
        Reference(IMAGE, CAMERA, 0.25, normal=(0.0, 0.1, 1.0), normal_sigma=0.2),
    ],
    ids=['image', 'normal'],
)
def test_what_somebody_else_put_there_stays(kept, estimator, folder, other):
    other.save(folder)
    estimator.believed_plane = LEARNED
    assert kept.keep_plane() is None
    assert Reference.load(folder).normal == other.normal


def test_without_its_folder_nothing_is_kept_and_none_is_made(kept, estimator, folder):
    estimator.believed_plane = LEARNED
    folder.rename(folder.with_name('away'))
    assert kept.keep_plane() is None
    assert not folder.exists()
    assert KeptReference(Learner()).keep_plane() is None


def test_it_goes_into_the_folder_of_the_reference_in_use(kept, estimator, folder, tmp_path):
    other = kept.save(Reference(255 - IMAGE, CAMERA, 0.3), tmp_path / 'other')
    estimator.believed_plane = LEARNED
    kept.keep_plane()
    assert Reference.load(folder).normal is None
    assert Reference.load(other).normal is not None


def test_a_reference_that_cannot_be_written_leaves_the_old_one_and_its_plane(kept, estimator, folder, tmp_path):
    estimator.believed_plane = LEARNED
    (tmp_path / 'letters').mkdir()
    (tmp_path / 'letters' / 'dear.txt').write_text('keep me')
    with pytest.raises(ReferenceFolderError, match='holds other files'):
        kept.save(Reference(255 - IMAGE, CAMERA, 0.3), tmp_path / 'letters')
    np.testing.assert_array_equal(estimator.reference.image, IMAGE)
    np.testing.assert_allclose(estimator.believed_plane.slope, LEARNED.slope)
    kept.keep_plane()
    assert Reference.load(folder).normal is not None


def test_a_first_reference_that_cannot_be_written_is_none(tmp_path):
    (tmp_path / 'letters').mkdir()
    (tmp_path / 'letters' / 'dear.txt').write_text('keep me')
    estimator = Learner()
    with pytest.raises(ReferenceFolderError, match='holds other files'):
        KeptReference(estimator).save(Reference(IMAGE, CAMERA, 0.25), tmp_path / 'letters')
    assert estimator.reference is None


def test_a_mask_given_for_all_is_for_references_without_one(kept, estimator, folder):
    common, own = np.full(IMAGE.shape, 255, np.uint8), np.full(IMAGE.shape, 255, np.uint8)
    common[:5], own[:, :5] = 0, 0
    kept.load(folder, common)
    np.testing.assert_array_equal(estimator.reference.mask, common)
    assert Reference.load(folder).mask is None
    replace(Reference.load(folder), mask=own).save(folder)
    kept.load(folder, common)
    np.testing.assert_array_equal(estimator.reference.mask, own)
