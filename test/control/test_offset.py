from __future__ import annotations

import json

import numpy as np
import pytest

from cnn_vs_ros.control.offset import REST_TIME, Offset, RestWatch
from cnn_vs_ros.errors import ArmError, PoseError
from cnn_vs_ros.geometry import se3

TAUGHT = se3.from_pose_vector([0.4, 0.1, 0.3, 3.0, 0.2, 0.1])
MOVED = se3.from_pose_vector([0.02, -0.01, 0.005, 0.02, -0.01, 0.3])
CURRENT = se3.from_pose_vector([0.42, 0.12, 0.33, 2.9, 0.1, 0.2])


def offset() -> Offset:
    """What a camera anywhere sees of a part that has moved by MOVED in the base."""
    desired = MOVED @ TAUGHT
    return Offset(se3.inverse(CURRENT) @ desired, 0.9, CURRENT @ (se3.inverse(CURRENT) @ desired), TAUGHT)


def test_the_correction_is_the_motion_of_the_part_wherever_the_camera_is():
    np.testing.assert_allclose(offset().correction, MOVED, atol=1e-12)
    assert Offset(np.eye(4), base_T_desired=TAUGHT).correction is None


def test_it_goes_through_json_and_says_in_words_what_it_says_in_numbers():
    values = json.loads(json.dumps(offset().as_values()))
    again = Offset.from_values(values)
    np.testing.assert_allclose(again.correction, MOVED, atol=1e-12)
    assert again.confidence == 0.9
    gone = 1e3 * ((MOVED @ TAUGHT)[:3, 3] - TAUGHT[:3, 3])
    assert '{:.2f}, {:.2f}, {:.2f} mm'.format(*gone) in values['said'].partition('moved by')[2]
    assert values['correction'][0][3] == pytest.approx(0.02)
    bare = Offset(np.eye(4)).as_values()
    assert bare['correction'] is bare['confidence'] is bare['base_T_desired'] is None
    with pytest.raises(PoseError):
        Offset.from_values({**values, 'taught': [[1.0]]})


def test_an_arm_rests_when_it_has_stood_still_since_the_image_and_for_long_enough():
    watch = RestWatch()
    with pytest.raises(ArmError, match='known for'):
        watch.pose_at(0.0)
    for time in np.arange(0.0, 0.2, 0.02):
        watch.add(time, CURRENT)
    with pytest.raises(ArmError, match='known for'):
        watch.pose_at(0.1)
    for time in np.arange(0.2, 0.6, 0.02):
        watch.add(time, CURRENT)
    np.testing.assert_array_equal(watch.pose_at(0.5), CURRENT)
    with pytest.raises(ArmError, match='since the image'):
        watch.pose_at(0.6 - 2 * REST_TIME)
    watch.add(0.6, CURRENT @ se3.from_pose_vector([0.0, 0.0, 0.001, 0, 0, 0]))
    with pytest.raises(ArmError, match=r'moved by 1\.00 mm and 0\.000 degrees'):
        watch.pose_at(0.55)
    watch.add(0.5, CURRENT)
    with pytest.raises(ArmError, match='known for'):
        watch.pose_at(0.5)
