from __future__ import annotations

import numpy as np
import pytest

from cnn_vs_ros.control.differential_ik import DifferentialIk
from cnn_vs_ros.errors import DescriptionError, ParameterError, PoseError
from cnn_vs_ros.geometry import se3

# An arm of three hinges and a slide, one of the hinges unbounded, with a gripper joint off its chain.
URDF = """
<robot name="test">
  <link name="base"/><link name="l1"/><link name="l2"/><link name="l3"/><link name="l4"/><link name="tip"/>
  <link name="finger"/>
  <joint name="turn" type="continuous">
    <parent link="base"/><child link="l1"/><origin xyz="0 0 0.3"/><axis xyz="0 0 1"/>
    <limit effort="1" velocity="2"/></joint>
  <joint name="bend" type="revolute">
    <parent link="l1"/><child link="l2"/><origin xyz="0.1 0 0.1"/><axis xyz="0 1 0"/>
    <limit lower="-2" upper="2" effort="1" velocity="2"/></joint>
  <joint name="slide" type="prismatic">
    <parent link="l2"/><child link="l3"/><origin xyz="0.2 0 0" rpy="0.3 0 0"/><axis xyz="1 0 0"/>
    <limit lower="-0.1" upper="0.3" effort="1" velocity="0.5"/></joint>
  <joint name="roll" type="revolute">
    <parent link="l3"/><child link="l4"/><origin xyz="0 0.1 0"/><axis xyz="1 0 0"/>
    <limit lower="-2" upper="2" effort="1" velocity="2"/></joint>
  <joint name="grip" type="prismatic">
    <parent link="l4"/><child link="finger"/><axis xyz="0 1 0"/>
    <limit lower="0" upper="0.1" effort="1" velocity="1"/></joint>
  <joint name="end" type="fixed">
    <parent link="l4"/><child link="tip"/><origin xyz="0.1 0 0.05" rpy="0 1 0"/></joint>
</robot>
"""
# The same figures as the shipped arm: six hinges, the wrist's axes meeting pairwise.
SIX = """
<robot name="six"><link name="l0"/>{}<link name="tip"/>
<joint name="end" type="fixed"><parent link="l6"/><child link="tip"/><origin xyz="0.05 0 0.1"/></joint></robot>
"""
_HINGE = """<link name="l{1}"/><joint name="j{1}" type="revolute"><parent link="l{0}"/><child link="l{1}"/>
<origin xyz="{2}" rpy="{3}"/><axis xyz="0 0 1"/>
<limit lower="-3" upper="3" effort="1" velocity="3"/></joint>"""
_PLACES = (
    ('0 0 0.16', '0 0 3.14159'),
    ('0 0 0', '1.5708 0 0'),
    ('-0.425 0 0', '0 0 0'),
    ('-0.392 0 0.133', '0 0 0'),
    ('0 -0.1 0', '1.5708 0 0'),
    ('0 0.1 0', '-1.5708 0 0'),
)
SIX = SIX.format(''.join(_HINGE.format(i, i + 1, *place) for i, place in enumerate(_PLACES)))
BENT = np.array([-0.2, -1.3, 1.8, -2.0, -1.5, 1.3])


@pytest.fixture(scope='module')
def four() -> DifferentialIk:
    return DifferentialIk(URDF, 'tip')


@pytest.fixture(scope='module')
def six() -> DifferentialIk:
    return DifferentialIk(SIX, 'tip')


def test_only_the_joints_of_the_chain_count(four):
    assert four.joint_names == ['turn', 'bend', 'slide', 'roll']
    np.testing.assert_array_equal(four.lower, [-np.inf, -2, -0.1, -2])
    np.testing.assert_array_equal(four.velocity_limits, [2, 2, 0.5, 2])


@pytest.mark.parametrize('seed', range(5))
def test_the_jacobian_is_the_derivative_of_the_pose(four, six, seed):
    rng = np.random.default_rng(seed)
    for ik in (four, six):
        q, step = rng.uniform(-1, 1, len(ik.joint_names)), 1e-6
        jacobian = ik.jacobian(q)
        for column, direction in zip(jacobian.T, np.eye(len(q)), strict=True):
            before, after = ik.pose(q - step * direction), ik.pose(q + step * direction)
            np.testing.assert_allclose(se3.log(se3.inverse(before) @ after) / (2 * step), column, atol=1e-8)


def test_an_unbounded_joint_comes_back_after_a_turn(four):
    q = np.array([0.4, 0.3, 0.1, -0.2])
    turn = np.array([2 * np.pi, 0, 0, 0])
    np.testing.assert_allclose(four.pose(q + turn), four.pose(q), atol=1e-12)


@pytest.mark.parametrize('seed', range(5))
def test_away_from_singularities_the_twist_is_exact(six, seed):
    rng = np.random.default_rng(seed)
    q, twist = BENT + rng.normal(0, 0.1, 6), rng.normal(0, 0.05, 6)
    assert six.condition_number(q) < 17.0
    np.testing.assert_allclose(six.jacobian(q) @ six.joint_velocities(q, twist), twist, atol=1e-12)


@pytest.mark.parametrize('distance', [0.0, 1e-9, 1e-6, 1e-3, 0.02, 0.05])
def test_velocities_stay_bounded_near_a_singularity(six, distance):
    # Wrist 2 at zero aligns the axes of wrist 1 and wrist 3.
    q = BENT.copy()
    q[4] = distance
    # With the defaults no direction is magnified more than 13 times; the velocity limits are far above.
    for twist in 0.05 * np.eye(6):
        velocities = six.joint_velocities(q, twist)
        assert np.isfinite(velocities).all()
        assert np.linalg.norm(velocities) <= 13 * 0.05


def test_near_a_singularity_the_other_directions_stay_exact(six):
    q = BENT.copy()
    q[4] = 1e-4
    u, s, _ = np.linalg.svd(six.jacobian(q))
    assert s[-1] < 1e-3 < 0.08 < s[-2]
    twist = 0.05 * (u[:, 0] + u[:, 2] - u[:, 4])
    np.testing.assert_allclose(six.jacobian(q) @ six.unlimited_velocities(q, twist), twist, atol=1e-9)


def test_damping_sets_in_without_a_jump(six):
    def gain(value: float) -> float:
        """Of the motion along a singular direction of the Jacobian with that singular value."""
        u, s, vt = np.linalg.svd(six.jacobian(BENT))
        jacobian = (u * np.append(s[:-1], value)) @ vt
        return float(np.linalg.norm(six._damped_inverse(jacobian) @ u[:, -1]))

    threshold = 0.08
    assert gain(threshold + 1e-7) == pytest.approx(gain(threshold - 1e-7), rel=1e-4)
    assert gain(threshold) == pytest.approx(1 / threshold)
    assert gain(0.0) == pytest.approx(0.0, abs=1e-9)


def test_velocity_limits_scale_the_whole_vector(six):
    twist = np.array([0.3, -0.2, 0.1, 0.5, 0.2, -0.4])
    slow, fast = six.joint_velocities(BENT, 1e-3 * twist), six.joint_velocities(BENT, 1e3 * twist)
    assert np.abs(fast).max() == pytest.approx(3.0)
    np.testing.assert_allclose(fast / np.linalg.norm(fast), slow / np.linalg.norm(slow), atol=1e-9)


def test_the_users_velocity_limit_applies_too():
    ik = DifferentialIk(SIX, 'tip', max_joint_velocity=0.5)
    assert np.abs(ik.joint_velocities(BENT, np.ones(6))).max() == pytest.approx(0.5)


def test_a_joint_slows_towards_its_limit_and_is_free_to_leave_it():
    ik = DifferentialIk(SIX, 'tip', position_margin=0.2)
    for left, allowed in ((0.2, 3.0), (0.1, 1.5), (0.01, 0.15), (0.0, 0.0), (-0.1, 0.0)):
        q = BENT.copy()
        q[5] = 3.0 - left
        outwards = ik.jacobian(q)[:, 5]  # the twist of the last joint turning alone
        assert ik.joint_velocities(q, 10 * outwards)[5] == pytest.approx(allowed, abs=1e-9)
        assert ik.joint_velocities(q, -outwards)[5] == pytest.approx(-1.0)


def test_a_servoing_tip_never_passes_a_joint_limit(six):
    q, dt = BENT.copy(), 0.02
    for _ in range(500):
        q += dt * six.joint_velocities(q, [0, 0, 0, 0, 0, 1.0])
        assert six.within_limits(q)
    assert q[5] > 2.9


@pytest.mark.parametrize(
    ('urdf', 'tip', 'sentence'),
    [
        ('not a urdf', 'tip', 'should be URDF but is not even XML'),
        (URDF, 'camera', 'tip frame should be one of base, .*tip.* but is .camera.'),
        (URDF, 'base', 'some joint should move the tip frame'),
        (URDF.replace('velocity="0.5"', 'velocity="0"'), 'tip', "'slide' should have a positive velocity limit"),
        (
            URDF.replace('type="continuous"', 'type="floating"'),
            'tip',
            "'turn' should turn or slide about one axis",
        ),
    ],
)
def test_a_bad_description_is_refused_with_a_sentence(urdf, tip, sentence):
    with pytest.raises(DescriptionError, match=sentence):
        DifferentialIk(urdf, tip)


def test_bad_numbers_are_refused_with_a_sentence(six):
    with pytest.raises(ParameterError, match='damping should be positive but is 0'):
        DifferentialIk(SIX, 'tip', damping=0.0)
    with pytest.raises(
        PoseError, match=r'joint positions should be a vector of shape \(6,\) but got shape \(5,\)'
    ):
        six.joint_velocities(np.zeros(5), np.zeros(6))
    with pytest.raises(PoseError, match='twist should be finite'):
        six.joint_velocities(BENT, [0, 0, 0, 0, 0, np.nan])
    with pytest.raises(PoseError, match='joint positions should be finite'):
        six.joint_velocities([np.inf, 0, 0, 0, 0, 0], np.zeros(6))


def towards_and_away(six: DifferentialIk, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit joint motions of wrist 2 from and to where it aligns the axes of wrist 1 and wrist 3."""
    away = np.sign(q[4]) * np.eye(6)[4]
    assert six.condition_number(q + 1e-3 * away) < six.condition_number(q)
    return -away, away


def with_condition(six: DifferentialIk, condition: float) -> np.ndarray:
    """Posture (6,) near the aligned wrist whose Jacobian has that condition number."""
    q, near, far = BENT.copy(), 1e-3, 1.0
    for _ in range(60):
        q[4] = np.sqrt(near * far)
        near, far = (q[4], far) if six.condition_number(q) > condition else (near, q[4])
    return q


@pytest.mark.parametrize(('condition', 'kept'), [(16.9, 1.0), (23.5, 0.5), (29.9, 1 / 130), (31.0, 0.0)])
@pytest.mark.parametrize('seed', range(5))
def test_near_a_singularity_a_twist_loses_what_leads_there_and_nothing_gets_faster(six, condition, kept, seed):
    q, twist = with_condition(six, condition), np.random.default_rng(seed).normal(0, 0.05, 6)

    def rate(twist: np.ndarray) -> float:
        step = 1e-4 * six.unlimited_velocities(q, twist)
        return (1 / six.condition_number(q - step) - 1 / six.condition_number(q + step)) / 2e-4

    twist = twist if rate(twist) > 0 else -twist
    clear = six.clear_of_singularity(q, twist)
    assert rate(clear) == pytest.approx(kept * rate(twist), abs=1e-3 * rate(twist))
    for half in (slice(0, 3), slice(3, 6)):
        assert np.linalg.norm(clear[half]) <= np.linalg.norm(twist[half]) + 1e-12
    np.testing.assert_array_equal(six.clear_of_singularity(q, -twist), -twist)


def test_beyond_a_singularity_threshold_motion_that_does_not_change_the_condition_number_is_free(six):
    q = with_condition(six, 40.0)
    turn = six.jacobian(q)[:, 0]  # the whole arm about its base
    np.testing.assert_allclose(six.clear_of_singularity(q, turn), turn, atol=1e-3)


def test_a_servoing_tip_slides_along_a_singularity_halts_there_and_can_leave_it(six):
    q = with_condition(six, 12.0)
    towards, _ = towards_and_away(six, q)
    for _ in range(3000):
        velocities = six.joint_velocities(q, six.jacobian(q) @ (0.5 * towards))
        q = q + 0.002 * velocities
        assert six.condition_number(q) < 30.5
    assert np.linalg.norm(velocities) < 0.02
    leaving = six.joint_velocities(q, six.jacobian(q) @ (-0.1 * towards))
    assert np.linalg.norm(leaving) > 0.05


def test_the_singularity_thresholds_must_be_in_order():
    with pytest.raises(ParameterError, match='should be greater than lower_singularity_threshold'):
        DifferentialIk(SIX, 'tip', lower_singularity_threshold=30.0, hard_stop_singularity_threshold=17.0)


# Arms with other joints than six hinges. A chain is written as letters: z, y turn about that axis, Z, X slide.
def chain(letters: str, *offsets: str) -> str:
    """URDF of links 0.3 m apart, or as `offsets` say, to a link `tip`."""
    axes = {'z': '0 0 1', 'y': '0 1 0', 'x': '1 0 0'}
    parts = []
    for index, letter in enumerate(letters):
        kind = 'prismatic' if letter.isupper() else 'revolute'
        origin = offsets[index] if index < len(offsets) else '0 0 0.3'
        limits = (
            'lower="-0.4" upper="0.4" velocity="0.5"' if letter.isupper() else 'lower="-3" upper="3" velocity="2"'
        )
        parts.append(
            f'<link name="l{index + 1}"/><joint name="j{index + 1}" type="{kind}"><parent link="l{index}"/>'
            f'<child link="l{index + 1}"/><origin xyz="{origin}"/><axis xyz="{axes[letter.lower()]}"/>'
            f'<limit {limits} effort="1"/></joint>'
        )
    end = f'<joint name="end" type="fixed"><parent link="l{len(letters)}"/><child link="tip"/>'
    return (
        f'<robot name="arm"><link name="l0"/>{"".join(parts)}<link name="tip"/>{end}'
        '<origin xyz="0 0 0.1"/></joint></robot>'
    )


SEVEN = chain('zyzyzyz')
RAIL = chain('Xzyyyzy')
SCARA = chain('zzZz', '0 0 0.4', '0.3 0 0', '0.25 0 0', '0 0 0')
ARMS = {
    'seven': (SEVEN, np.array([0.2, 0.5, -0.3, 1.2, 0.4, 0.9, 0.1])),
    'rail': (RAIL, np.array([0.05, 0.3, 0.6, 1.0, 0.5, 0.8, 0.7])),
    'scara': (SCARA, np.array([0.3, 1.2, 0.05, -0.4])),
}


@pytest.mark.parametrize('name', ['seven', 'rail'])
def test_with_more_than_six_joints_the_twist_is_exact_by_the_least_velocities(name):
    urdf, q = ARMS[name]
    ik, twist = DifferentialIk(urdf, 'tip'), np.array([0.02, -0.01, 0.03, 0.05, -0.1, 0.08])
    velocities = ik.joint_velocities(q, twist)
    np.testing.assert_allclose(ik.jacobian(q) @ velocities, twist, atol=1e-12)
    idle = np.linalg.svd(ik.jacobian(q))[2][-1]  # joint motion that leaves the tip where it is
    assert velocities @ idle == pytest.approx(0.0, abs=1e-12)


def test_a_rail_keeps_its_own_limits_in_metres():
    urdf, q = ARMS['rail']
    ik = DifferentialIk(urdf, 'tip')
    along = ik.jacobian(q)[:, 0]
    assert abs(ik.joint_velocities(q, 100 * along)[0]) <= 0.5
    for _ in range(2000):
        q = q + 0.01 * ik.joint_velocities(q, ik.jacobian(q)[:, 0])
    assert ik.within_limits(q)


def test_with_four_joints_the_part_of_the_twist_that_they_reach_is_exact():
    urdf, q = ARMS['scara']
    ik = DifferentialIk(urdf, 'tip')
    reachable = np.array([0.02, -0.01, 0.03, 0.0, 0.0, 0.08])  # its tip keeps pointing down
    np.testing.assert_allclose(ik.jacobian(q) @ ik.joint_velocities(q, reachable), reachable, atol=1e-12)
    tilted = reachable + np.array([0, 0, 0, 0.1, -0.2, 0])
    np.testing.assert_allclose(ik.joint_velocities(q, tilted), ik.joint_velocities(q, reachable), atol=1e-12)
    stretched = np.array([0.3, 0.0, 0.05, -0.4])
    assert ik.condition_number(q) < 17 < 1000 < ik.condition_number(stretched)
