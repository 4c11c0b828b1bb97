import dataclasses

import numpy as np
import pytest

from cnn_vs_ros.calibration.first_guess import first_guess, guess_of_tracks, straightened
from cnn_vs_ros.calibration.motion import first_places
from cnn_vs_ros.calibration.problem import SHARED, Known, Noise, Problem, State
from cnn_vs_ros.calibration.recording import ArmTrack
from cnn_vs_ros.calibration.solver import calibrate
from cnn_vs_ros.errors import HandEyeError
from cnn_vs_ros.geometry import se3
from test.calibration.cell import ASSUMED, BASE_T_FLANGE, DEPTH, LIMITS, MOUNT, PLACES, SLOPE, recorded


def error_of(mount) -> tuple[float, float]:
    distance, angle = se3.pose_error(se3.inverse(MOUNT) @ mount)
    return 1e3 * distance, np.degrees(angle)


def test_everything_is_found_at_once_and_exactly_without_noise():
    recording, tracks = recorded(delay=0.08)
    found = calibrate(recording, tracks)
    assert max(error_of(found.mount)) < 1e-3
    assert found.depth == pytest.approx(DEPTH, rel=1e-5)
    np.testing.assert_allclose(found.normal[:2] / found.normal[2], SLOPE, atol=1e-5)
    assert found.delay == pytest.approx(0.08, abs=1e-4)
    assert found.lens['k1'][0] == pytest.approx(0.0, abs=1e-4)


def test_the_lens_is_found_where_it_is_asked_for():
    recording, tracks = recorded(k1=-0.1, focal=1.03)
    found = calibrate(recording, tracks, ('k1', 'focal'))
    assert found.lens['k1'][0] == pytest.approx(-0.1, abs=1e-3)
    assert found.lens['fx'][0] == pytest.approx(618.0, rel=1e-4)
    assert max(error_of(found.mount)) < 0.05


def test_standard_deviations_are_those_of_the_errors():
    normalised = []
    for seed in range(4):
        recording, tracks = recorded(pixel=0.05, arm=3e-4, seed=seed)
        found = calibrate(recording, tracks)
        step = se3.pose_vector(se3.inverse(MOUNT) @ found.mount)
        normalised.append(step / np.sqrt(np.diag(found.mount_covariance)))
    assert 0.35 < np.sqrt(np.mean(np.square(normalised))) < 1.3


def test_standard_deviations_of_few_stills_allow_for_what_they_leave_open():
    rng, normalised = np.random.default_rng(5), []
    for seed in range(5):
        ahead, places = np.array([0.0, 0.0, DEPTH]), []
        for _ in range(8):
            turn = se3.rotation_exp(rng.uniform(-1, 1, 3) * (0.4, 0.4, 0.9))
            camera = se3.transform(turn, ahead - turn @ ahead + rng.uniform(-0.04, 0.04, 3))
            places.append(MOUNT @ camera @ se3.inverse(MOUNT))
        recording, tracks = recorded(places, pixel=0.1, arm=1e-3, seed=seed, still=True)
        found = calibrate(recording, tracks)
        step = se3.pose_vector(se3.inverse(MOUNT) @ found.mount)
        normalised.append(step / np.sqrt(np.diag(found.mount_covariance)))
    assert 0.4 < np.sqrt(np.mean(np.square(normalised))) < 1.0


def test_places_that_look_at_one_point_are_too_little():
    recording, tracks = recorded(PLACES[-9:-1], pixel=0.1, arm=2e-3, still=True)
    with pytest.raises(HandEyeError, match='not about one point alone'):
        calibrate(recording, tracks)


def test_wrong_points_and_a_wrong_flange_pose_do_no_harm():
    recording, tracks = recorded(pixel=0.05)
    rng = np.random.default_rng(1)
    wrong = rng.random(tracks.seen.shape) < 0.1
    tracks.pixels[wrong] += rng.uniform(-6, 6, (wrong.sum(), 2))
    recording.arm.poses[100] = recording.arm.poses[100] @ se3.from_pose_vector([0.03, 0, 0, 0.1, 0, 0])
    assert max(error_of(calibrate(recording, tracks).mount)) < 0.3


def test_derivatives_are_those_of_differences():
    recording, tracks = recorded([*PLACES[:3]])
    problem = Problem(tracks, recording.arm, recording.stamps, recording.reference.camera, np.ones(SHARED, bool))
    count = len(tracks.points)
    rng = np.random.default_rng(2)
    state = State(
        BASE_T_FLANGE @ MOUNT, MOUNT, np.array([*SLOPE, 1.0]) / DEPTH, 0.02, 1.02, np.array([3.0, -2.0]), -0.05,
        rng.normal(0, 0.02, count), rng.normal(0, 0.3, (count, 2)),
    )  # fmt: skip
    about = problem.linearise(state)
    for index in range(SHARED + 3):
        step = np.zeros(SHARED + 3 * count)
        step[index] = 1e-5
        change = problem.linearise(state.moved(step)).residuals - problem.linearise(state.moved(-step)).residuals
        told = about.shared[..., index] if index < SHARED else about.own[:, :1, :, index - SHARED]
        change = (change if index < SHARED else change[:, :1]) / 2e-5
        np.testing.assert_allclose(change, told, atol=2e-2 * max(1.0, np.abs(told).max()), err_msg=str(index))


def test_the_first_guess_needs_only_the_first_places():
    recording, tracks = recorded(first_places(LIMITS), delay=-0.1)
    guess = first_guess(recording.arm, recording.stamps, tracks.poses, still=False)
    distance, angle = error_of(guess.mount)
    assert distance < 5.0
    assert angle < 0.5
    assert guess.scale * ASSUMED == pytest.approx(DEPTH, rel=0.02)
    assert guess.delay == pytest.approx(0.1, abs=0.011)


def test_the_first_guess_sees_through_a_lens_that_bends():
    recording, tracks = recorded(first_places(LIMITS), k1=-0.1)
    poses = straightened(tracks, recording.reference, 0.0)
    bent = dataclasses.replace(tracks, poses=poses)
    distance, angle = error_of(guess_of_tracks(recording, bent).mount)
    assert distance < 10.0
    assert angle < 2.0
    with_lens_unknown = first_guess(recording.arm, recording.stamps, poses, still=False)
    assert error_of(with_lens_unknown.mount)[0] > 20.0


def one_axis():
    return [se3.from_pose_vector([0.02 * k, 0, 0, 0, 0, 0.1 * k]) for k in (1, 2, -1, -2)]


def test_turns_about_one_axis_are_too_little():
    recording, tracks = recorded(one_axis())
    with pytest.raises(HandEyeError, match='about two axes or more'):
        calibrate(recording, tracks)


def test_a_camera_that_is_not_on_this_arm_is_told():
    recording, tracks = recorded()
    tracks.poses[:], tracks.pixels[:] = np.eye(4), tracks.points
    with pytest.raises(HandEyeError, match='is the camera on this arm'):
        calibrate(recording, tracks)


def test_joint_states_of_another_arm_are_told():
    recording, tracks = recorded()
    still = ArmTrack(recording.arm.times, np.broadcast_to(BASE_T_FLANGE, recording.arm.poses.shape))
    with pytest.raises(HandEyeError, match='joint states of this arm'):
        first_guess(still, recording.stamps, tracks.poses, still=False)
    rng = np.random.default_rng(3)
    shuffled = ArmTrack(recording.arm.times, recording.arm.poses[rng.permutation(len(recording.arm.times))])
    with pytest.raises(HandEyeError, match='is the camera on this arm, and are these its joint states'):
        first_guess(shuffled, recording.stamps, tracks.poses, still=False)


def test_a_number_of_the_lens_that_the_motion_does_not_tell_is_refused():
    recording, tracks = recorded(first_places(LIMITS), pixel=1.0, arm=1e-3)
    found = calibrate(recording, tracks, ('k1', 'focal', 'centre'))
    assert found.refused
    assert 'the motions should tell it to' in found.refused[0]


def test_a_depth_that_is_known_holds_the_scale():
    recording, tracks = recorded(arm=1e-3)
    assert calibrate(recording, tracks, known=Known(DEPTH, 1e-5)).depth == pytest.approx(DEPTH, rel=1e-4)


def test_noise_is_in_the_units_it_says():
    assert np.allclose(np.diag(Noise(position=0.1, rotation=0.5).information), [100] * 3 + [4] * 3)
