from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.arm_check.finding import Level
from cnn_vs_ros.arm_check.survey import JointStateSurvey

PI = np.pi


def surveyed(names=('a', 'b'), positions=(0.1, 0.2), period=0.01, seconds=1.0, late=0.002, gap=0.0):
    survey = JointStateSurvey(['a', 'b'], [-PI, -PI], [PI, PI], 0.2)
    for time in np.arange(0.0, seconds, period):
        if gap and 0.3 < time < 0.3 + gap:
            continue
        survey.take(list(names), list(positions), [], time - late, time)
    return survey


def said(survey, level):
    return ' '.join(item.sentence for item in survey.findings() if item.level is level)


def test_a_right_arm_is_measured_and_nothing_is_said_of_it():
    survey = surveyed()
    assert survey.findings() == []
    joint = survey.each()[1]
    assert (joint.name, joint.position, joint.has_velocity) == ('b', 0.2, False)
    assert joint.rate == pytest.approx(100.0)
    assert joint.longest_gap == pytest.approx(0.01)
    assert survey.age == pytest.approx(0.002)


@pytest.mark.parametrize(
    ('survey', 'level', 'sentence'),
    [
        (surveyed(seconds=0.0), Level.PROBLEM, 'should come but none has'),
        (surveyed(names=['a', 'left_b']), Level.PROBLEM, 'should hold b but do not: they have left_b for b'),
        (surveyed(names=['a', 'zz9']), Level.PROBLEM, 'should hold b but do not'),
        (surveyed(period=0.05), Level.WARNING, 'a, b should come at 50 Hz or more but came at 20.0 Hz'),
        (surveyed(gap=0.4), Level.PROBLEM, 'after 0.400 s at the longest'),
        (surveyed(positions=[0.1, 90.0]), Level.PROBLEM, 'b should be between -3.142 and 3.142'),
        (surveyed(positions=[0.1, np.nan]), Level.PROBLEM, 'is at nan'),
        (surveyed(positions=[0.1]), Level.PROBLEM, 'some hold fewer'),
        (surveyed(late=3.0), Level.WARNING, 'came 3.000 s after their stamps'),
        (surveyed(names=['b', 'a', 'finger'], positions=[0.2, 0.1, 9.0]), Level.NOTE, 'another order'),
    ],
)
def test_what_is_wrong_is_said(survey, level, sentence):
    assert sentence in said(survey, level)


def test_joints_may_come_in_several_messages_beside_foreign_ones():
    survey = JointStateSurvey(['a', 'b'], [-PI, -PI], [PI, PI], 0.2)
    for time in np.arange(0.0, 1.0, 0.01):
        for names, positions in ((['a'], [0.1]), (['finger'], [9.0]), (['b'], [0.2])):
            survey.take(names, positions, [0.0], time, time)
    assert survey.findings() == []
    assert survey.foreign == ['finger']
    assert survey.each()[0].rate == pytest.approx(100.0)
