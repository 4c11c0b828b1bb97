import pytest

from cnn_vs_ros.estimation.track import TrackBelief


def test_one_bad_image_does_not_end_a_long_track():
    belief = TrackBelief(0.9)
    for _ in range(20):
        belief.update(0.99)
    assert belief.update(0.05) > 0.8


def test_bad_images_end_any_track_within_six():
    belief = TrackBelief(1.0)
    for _ in range(1000):
        belief.update(1.0)
    assert min(belief.update(0.05) for _ in range(6)) < 0.1


def test_a_doubtful_start_needs_good_images():
    assert TrackBelief(0.5).update(0.1) < 0.4 < 0.6 < TrackBelief(0.5).update(0.9)


@pytest.mark.parametrize('probability', [0.0, 1.0])
def test_certainty_is_never_infinite(probability):
    assert 0 < TrackBelief(probability).update(probability) < 1
