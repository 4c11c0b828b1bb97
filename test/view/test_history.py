import numpy as np
import pytest

pytest.importorskip('viser', reason='viser is not installed')
from cnn_vs_ros.geometry import se3
from cnn_vs_ros.view.history import ErrorHistory


def test_errors_of_the_last_while_are_kept_by_their_stamps():
    history = ErrorHistory(10.0)
    assert history.recent().shape == (0, 3)
    for stamp, metres in ((85.0, 0.5), (95.0, 0.3), (100.0, 0.1)):
        history.add(stamp, se3.from_pose_vector([metres, 0, 0, 0, 0.2, 0]))
    np.testing.assert_allclose(history.recent(), [(-5.0, 0.3, 0.2), (0.0, 0.1, 0.2)], atol=1e-12)
    history.add(97.0, se3.from_pose_vector([0.7, 0, 0, 0, 0, 0]))  # the clock was set back
    np.testing.assert_allclose(history.recent(), [(-2.0, 0.3, 0.2), (0.0, 0.7, 0.0)], atol=1e-12)


def test_however_many_come_all_of_the_while_is_there_by_some_thousands():
    history = ErrorHistory(60.0)
    stamps = np.arange(0.0, 90.0, 0.01)
    for stamp in stamps:
        history.add(stamp, np.eye(4))
    kept = history.recent()[:, 0]
    assert len(kept) <= 3001
    assert kept[-1] == 0.0
    assert -60.0 <= kept[0] < -59.9
    assert np.diff(kept).max() < 0.05
