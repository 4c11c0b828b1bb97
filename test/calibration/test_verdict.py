import numpy as np
import pytest

from cnn_vs_ros.calibration import verdict
from cnn_vs_ros.calibration.solver import calibrate
from cnn_vs_ros.geometry import se3
from test.calibration.cell import MOUNT, recorded

OFF = se3.from_pose_vector([3e-3, -4e-3, 2e-3, 0.02, 0.01, -0.03])


def turned(axis, angle):
    return MOUNT @ se3.from_pose_vector([0, 0, 0, *(np.radians(angle) * np.array(axis))])


@pytest.mark.parametrize(
    ('believed', 'kind'),
    [
        (MOUNT, verdict.AS_IT_IS),
        (se3.inverse(MOUNT), verdict.INVERTED),
        (turned((0, 0, 1), 90), verdict.QUARTER),
        (turned((0, 0, 1), -90), verdict.QUARTER),
        (turned((0, 0, 1), 180), verdict.HALF),
        (turned((1, 0, 0), 90), verdict.SWAPPED),
        (MOUNT @ verdict.optical_T_link, verdict.NOT_OPTICAL),
        (turned((0, 1, 0), 12), verdict.AS_IT_IS),
    ],
)
def test_wrong_mounts_are_named_also_when_they_are_a_little_off(believed, kind):
    assert verdict.explain(believed, MOUNT).kind == kind
    assert verdict.explain(believed @ OFF, MOUNT).kind == kind


@pytest.fixture(scope='module')
def found():
    return calibrate(*recorded(delay=0.148, pixel=0.02))


def test_the_sentences_say_by_how_much(found):
    off = se3.from_pose_vector([0.012, 0, 0, 0, np.radians(3.1), 0])
    said = verdict.sentences(found, MOUNT @ off)
    assert said[0].startswith('the mount is off by 12.0 mm and 3.10 degrees')
    assert said[1].startswith('stamps are 148 ms late')
    assert verdict.sentences(found, MOUNT)[0].startswith('the calibration holds: 0.')
    assert verdict.sentences(found, MOUNT, believed_delay=0.148)[1:] == []
    assert 'looks inverted' in verdict.sentences(found, se3.inverse(MOUNT))[0]
    assert 'no mount to compare' in verdict.sentences(found, None)[0]
