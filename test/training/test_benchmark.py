"""The benchmark: its worlds, its disturbances, its methods and its bookkeeping."""

import hashlib
import json
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from cnn_vs_ros.benchmark import CAMERA, DEPTH, HARDEST
from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.estimation.plane import ScenePlane
from cnn_vs_ros.geometry import PoseStatus, RelativePose, se3
from cnn_vs_ros.resources import resource_path
from test.scenes import drawn_texture
from training.__main__ import main
from training.benchmark import runs, summary, view_range
from training.benchmark.calibration import run as calibration
from training.benchmark.disturbances import DISTURBANCES
from training.benchmark.methods import METHODS, MODEL_VARIABLE, make_method, model_of, model_sha256
from training.benchmark.methods.base import GAIN, MAX_STEP, Step, limited
from training.benchmark.methods.learned import EstimatorServoing
from training.benchmark.methods.photometric import interaction_matrix
from training.benchmark.records import RunFile, RunKey, RunRecord, of_one_model
from training.benchmark.runs import LOST_STEPS, draw_start
from training.benchmark.strangers import KINDS
from training.benchmark.world import PlanarWorld, Sensor
from training.errors import TrainingError
from training.evaluation.confidence_fit import SteppedWorld, fit_logistic, reliability


@pytest.fixture(scope='module')
def world():
    return PlanarWorld(drawn_texture(width=1760, height=1440))


@pytest.fixture(scope='module')
def reference(world):
    return Reference(Sensor(0).expose(world.image(np.eye(4))), CAMERA, DEPTH)


def test_starts_grow_with_the_batch_as_in_the_paper():
    for batch in (0, 3, 9):
        vectors = np.array([se3.pose_vector(draw_start(batch, run, 0)) for run in range(3000)])
        np.testing.assert_allclose(vectors[:, :3].std(axis=0), batch / 9 * HARDEST[:3], rtol=0.06, atol=1e-9)
        np.testing.assert_allclose(vectors[:, 3:5].std(axis=0), batch / 9 * HARDEST[3:5], rtol=0.06, atol=1e-9)
    np.testing.assert_allclose(HARDEST, [0.04, 0.04, 0.02, *np.deg2rad([20, 20, 50])])


def test_the_world_shows_points_where_they_project(world):
    texture = np.zeros_like(world.texture)
    texture[700:704, 900:904] = 255
    pose = se3.from_pose_vector([0.02, -0.01, 0.03, 0.2, -0.1, 0.4])
    image = PlanarWorld(texture).image(pose)
    height, width = texture.shape
    point = np.array([(901.5 - (width - 1) / 2) / 2400, (701.5 - (height - 1) / 2) / 2400, DEPTH])
    expected = CAMERA.project(pose[:3, :3] @ point + pose[:3, 3])
    rows, columns = np.nonzero(image > 60)
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=0.6)


def test_the_sensor_adds_the_noise_it_says():
    picture = Sensor(1).expose(np.full((480, 640), 128.0, np.float32))
    assert picture.std() == pytest.approx(2.0, rel=0.05)
    np.testing.assert_array_equal(picture, Sensor(1).expose(np.full((480, 640), 128.0, np.float32)))


@pytest.mark.parametrize('name', DISTURBANCES)
def test_disturbances_repeat_with_their_seed_and_change_with_the_step(name, world):
    view = world.image(np.eye(4))
    first, again = (DISTURBANCES[name](5, world.texture) for _ in range(2))
    np.testing.assert_array_equal(first(view, 3), again(view, 3))
    moving = name in ('perturbed', 'occlusion', 'lighting')
    assert (np.abs(first(view, 3) - first(view, 60)).max() > 1) == moving
    assert (np.abs(first(view, 3) - view).max() > 1) == (name != 'nominal')


def test_occluders_cover_up_to_two_fifths():
    view, occluder = np.full((480, 640), 300.0, np.float32), np.zeros((1440, 1760), np.uint8)
    shares = [float((DISTURBANCES['occlusion'](seed, occluder)(view, 10) < 1).mean()) for seed in range(40)]
    assert max(shares) < 0.45
    assert 0.15 < np.mean(shares) < 0.3


def test_interaction_matrix_agrees_with_moving_the_camera(world):
    """The image changes by L_I times the camera's small motion, to first order."""
    camera = CAMERA.resized(160, 120)
    smooth = PlanarWorld(world.texture, camera, DEPTH)

    def view(motion):
        big = smooth.image(se3.inverse(se3.exp(motion)))
        return cv2.GaussianBlur(big, (0, 0), 3.0)

    still = view(np.zeros(6))
    interaction = interaction_matrix(still, camera, DEPTH)
    for axis, size in zip(np.eye(6), [4e-4] * 3 + [2e-3] * 3, strict=True):
        changed = (view(size * axis) - view(-size * axis)).reshape(120, 160)[12:-12, 12:-12].ravel()
        predicted = 2 * size * (interaction @ axis).reshape(120, 160)[12:-12, 12:-12].ravel()
        assert np.corrcoef(changed, predicted)[0, 1] > 0.9


@pytest.mark.parametrize('name', [name for name in METHODS if name != 'xfeat'])
def test_every_method_moves_towards_the_goal_from_near(name, world, reference):
    method = make_method(name)
    method.start(reference, 0)
    sensor = Sensor(3)
    pose = se3.from_pose_vector([0.003, -0.002, 0.002, 0.01, 0.01, 0.03])
    start = se3.pose_error(pose)
    for _ in range(12):
        answer = method.step(sensor.expose(world.image(se3.inverse(pose))))
        assert answer.motion is not None
        pose = pose @ se3.exp(answer.motion)
    end = se3.pose_error(pose)
    # The coarse matcher is good to a few millimetres; the others must halve the error.
    assert end[0] < max(0.5 * start[0], 0.006 if name == 'scene_agnostic_coarse' else 0.0)


def test_steps_are_limited_in_length_and_keep_their_direction():
    motion = limited(np.array([0.3, 0.4, 0.0, 0.0, 0.0, 0.1]))
    assert np.linalg.norm(motion[:3]) == pytest.approx(MAX_STEP[0])
    np.testing.assert_allclose(motion / motion[0], [1, 4 / 3, 0, 0, 0, 1 / 3])
    assert 0 < GAIN < 1


def record(method='sift', batch=0, run=0, converged=True, **changes):
    key = RunKey(method, 'wood', 'nominal', batch, run, 0)
    values = {'error_mm': 0.1, 'error_deg': 0.01, 'steps': 30, 'start_mm': 5.0, 'start_deg': 3.0}
    return RunRecord(key=key, converged=converged, **{**values, **changes})


def test_runs_are_kept_and_a_line_cut_short_is_dropped(tmp_path):
    file = RunFile(tmp_path)
    file.append(record(run=0))
    file.append(record(run=1, hold_mm=[0.1, 0.2], tracked_ms=4.0))
    with file.path.open('a') as stream:
        stream.write('{"key": {"meth')
    file.mend()
    file.append(record(run=2))
    assert [item.key.run for item in file.read()] == [0, 1, 2]
    assert list(file.read())[1] == record(run=1, hold_mm=[0.1, 0.2], tracked_ms=4.0)


class InlineExecutor:
    """Does at once what it is asked for, in this process."""

    def __init__(self, *_, **__):
        pass

    def submit(self, function, key):
        future = Future()
        try:
            future.set_result(function(key))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, **_):
        pass


def test_a_second_call_runs_only_what_is_missing(tmp_path, monkeypatch):
    keys = [RunKey('sift', 'wood', 'nominal', 0, run, 0) for run in range(3)]
    RunFile(tmp_path).append(record(run=0))
    RunFile(tmp_path).append(record(run=2))
    asked = []

    def executed(key):
        asked.append(key)
        return record(run=key.run)

    monkeypatch.setattr(runs, 'ProcessPoolExecutor', InlineExecutor)
    monkeypatch.setattr(runs, 'execute', executed)
    records = runs.execute_all(keys, tmp_path, workers=1)
    assert asked == [keys[1]]
    assert [item.key for item in records] == keys


def test_a_worker_that_is_killed_ends_the_benchmark_with_a_sentence(tmp_path, monkeypatch):
    def killed(key):
        raise BrokenProcessPool

    monkeypatch.setattr(runs, 'ProcessPoolExecutor', InlineExecutor)
    monkeypatch.setattr(runs, 'execute', killed)
    with pytest.raises(TrainingError, match='a worker process ended unexpectedly'):
        runs.execute_all([record().key], tmp_path, workers=1)


def test_runs_of_another_model_are_not_taken_for_these(tmp_path, monkeypatch):
    key = RunKey('regressor', 'wood', 'nominal', 0, 0, 0, 'one')
    RunFile(tmp_path).append(replace(record(), key=key))
    monkeypatch.setattr(runs, 'ProcessPoolExecutor', InlineExecutor)
    monkeypatch.setattr(runs, 'execute', lambda key: replace(record(), key=key, steps=7))
    other = replace(key, model='another')
    assert [item.steps for item in runs.execute_all([other, key], tmp_path, workers=1)] == [7, 30]
    written = list(RunFile(tmp_path).read())
    assert [item.key for item in of_one_model(written, [])] == [other]
    assert [item.key for item in of_one_model(written, [key])] == [key]


def test_records_from_before_models_were_told_apart_are_read(tmp_path):
    file = RunFile(tmp_path)
    line = asdict(record())
    del line['key']['model']
    file.path.write_text(json.dumps(line) + '\n')
    assert list(file.read()) == [record()]


def test_the_hash_of_a_model_is_that_of_its_file(tmp_path, monkeypatch):
    path = tmp_path / 'wood.onnx'
    path.write_bytes((resource_path('weights') / 'scene_agnostic.onnx').read_bytes())
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / '{scene}.onnx'))
    assert model_sha256('hybrid', 'wood') == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model_sha256('sift', 'wood') == ''
    with pytest.raises(ModelError, match='does not exist'):
        model_sha256('hybrid', 'coffee')


@pytest.fixture
def executed(monkeypatch, world, reference):
    """A nominal run of a stub in place of a method, of a batch and a number."""
    monkeypatch.setattr(runs, 'reference', lambda *_: reference)
    monkeypatch.setattr(runs, 'scene', lambda name: world)
    monkeypatch.setattr(runs, 'occluder', lambda: world.texture)

    def execute(method, batch, run, condition='nominal'):
        monkeypatch.setattr(runs, '_method', lambda name, model: method)
        return runs.execute(RunKey('sift', 'wood', condition, batch, run, 0))

    return execute


def test_a_lost_method_ends_the_run_where_it_stands(executed):
    class Blind:
        def start(self, *_):
            pass

        def step(self, image):
            return Step(None)

    result = executed(Blind(), 5, 1)
    assert not result.converged
    assert result.error_mm == pytest.approx(result.start_mm)
    assert result.steps == runs.LOST_STEPS
    assert not executed(Blind(), 0, 1).converged  # though it stands at the goal


def test_a_method_that_refuses_the_reference_of_a_condition_is_lost_from_the_start(executed):
    class Refusing:
        def start(self, *_):
            raise ModelError('of another camera')

    with pytest.raises(ModelError, match='of another camera'):
        executed(Refusing(), 5, 1)  # it is none of this scene
    result = executed(Refusing(), 5, 1, 'calibration')
    assert (result.converged, result.steps, result.images, result.acquisition_ms) == (False, 0, 0, None)
    assert result.error_mm == result.start_mm > 0


def test_summary_has_the_shape_that_is_promised(tmp_path):
    records = [record(batch=b, run=r, converged=b < 5, tracked_ms=3.0) for b in (0, 9) for r in range(4)]
    result = summary.write(records, tmp_path)
    figures = json.loads((tmp_path / 'summary.json').read_text())['sift']['nominal']
    assert figures == result['sift']['nominal']
    assert figures['converged'] == 0.5
    assert figures['per_batch'] == [1.0, *[None] * 8, 0.0]
    assert (figures['runs'], figures['tracked_frame_ms'], figures['acquisition_ms']) == (8, 3.0, None)
    assert figures['median_error_mm'] == pytest.approx(0.1)
    assert '| sift | nominal | 8 | 50.0 % |' in (tmp_path / 'table.md').read_text()
    assert (tmp_path / 'convergence.png').stat().st_size > 5000


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--methods', 'magic'], 'method should be among dvs_ssd'),
        (['--scenes', 'moon'], 'scene should be among prints'),
        (['--condition', 'fog'], 'condition should be among nominal'),
        (['--batches', '12'], 'batch should be among 0, 1'),
        (['--runs', '0'], 'at least 1 but is 0'),
        (['--rejection', '0'], 'at least 1 image and 2 scenes but has 0'),
        (['--view-range', '0'], 'at least 1 image but is of 0'),
    ],
)
def test_bad_requests_are_told_in_a_sentence(arguments, message, tmp_path, capsys):
    assert main(['benchmark', '--output', str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_logistic_fit_recovers_the_probabilities_it_was_drawn_from():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 2))
    truth = 1 / (1 + np.exp(-(features @ (2.0, 1.0) + 0.5)))
    labels = (rng.random(4000) < truth).astype(float)
    weights = fit_logistic(features, labels)
    np.testing.assert_allclose(weights, [0.5, 2.0, 1.0], atol=0.2)
    # A feature that would speak against counts for nothing.
    assert fit_logistic(features * (1, -1), labels)[2] == 0.0
    rows, error = reliability(truth, labels)
    assert error < 0.03
    assert sum(count for _, _, count in rows) == 4000
    assert reliability(np.full(4000, 0.99), labels)[1] > 0.3


def test_strangers_do_not_show_the_scene(world):
    other = PlanarWorld(drawn_texture(seed=4, width=1760, height=1440))
    view = world.image(np.eye(4))
    scene_detail = view - cv2.GaussianBlur(view, (0, 0), 20)
    for draw in KINDS.values():
        strange = draw(world, other, np.eye(4), np.random.default_rng(0))
        assert strange.shape == view.shape
        assert strange.dtype == np.float32
        detail = strange - cv2.GaussianBlur(strange, (0, 0), 20)
        assert abs((detail * scene_detail).mean()) <= 0.2 * detail.std() * scene_detail.std() + 1e-3


def test_rejection_counts_what_is_called_lost(tmp_path, monkeypatch, world, reference):
    """Of an estimator that calls the first image of each kind lost and no other, without and with a track."""
    from training.benchmark import rejection

    class Wavering:
        def set_reference(self, reference):
            self.fresh = False

        def reset(self):
            self.fresh = True

        def forget_scene(self):
            pass

        def estimate(self, image):
            answer, self.fresh = self.fresh, False
            return type('Pose', (), {'is_lost': answer})

    monkeypatch.setattr(rejection, 'load_estimator', lambda model: Wavering())
    monkeypatch.setattr(rejection, 'reference', lambda *_: reference)
    monkeypatch.setattr(rejection, 'scene', lambda name: world)
    result = rejection.measure(['wood', 'tiles'], 4, 0)
    assert set(result) == set(KINDS)
    assert all(
        both == {'cold': {'images': 4, 'lost': 1.0}, 'tracked': {'images': 4, 'lost': 0.0}}
        for both in result.values()
    )
    table = rejection.write(result, tmp_path)
    assert '| black | 100.0 % | 0.0 % | 8 |' in table
    assert json.loads((tmp_path / 'rejection.json').read_text()) == result


def test_views_have_the_size_and_the_angle_that_they_are_called_by():
    middle = np.array([0, 0, DEPTH, 1])
    for view in view_range.VIEWS:
        seen = se3.inverse(view_range.pose_of(view, np.random.default_rng(3)))
        if view.endswith('deg'):
            assert np.degrees(np.arccos(seen[2, 2])) == pytest.approx(float(view.split()[0]))
            assert np.linalg.norm((seen @ middle)[:3]) == pytest.approx(DEPTH, rel=0.01)
        else:
            assert (seen @ middle)[2] == pytest.approx(DEPTH / float(view))


def test_view_range_counts_what_is_found_and_what_of_it_is_wrong(tmp_path, monkeypatch, world, reference):
    """Of an estimator that has the first image of each view right, the next wrong, and the third is lost to it."""
    poses = []

    def drawn(view, rng):
        poses.append(se3.from_pose_vector([0.02, 0.01, 0.0, 0, 0, 0.1]))
        return poses[-1]

    class Wavering:
        plane = ScenePlane(DEPTH)

        def set_reference(self, reference):
            pass

        reset = forget_scene = lambda self: None

        def estimate(self, image):
            turn = len(poses) % 3
            transform = poses[-1] if turn == 1 else np.eye(4)
            return type('Pose', (), {'is_lost': turn == 0, 'transform': transform})

    monkeypatch.setattr(view_range, 'load_estimator', lambda model: Wavering())
    monkeypatch.setattr(view_range, 'reference', lambda *_: reference)
    monkeypatch.setattr(view_range, 'scene', lambda name: world)
    monkeypatch.setattr(view_range, 'pose_of', drawn)
    result = view_range.measure(['wood'], 3, 0)
    assert result == {'wood': {view: {'images': 3, 'found': 2, 'wrong': 1} for view in view_range.VIEWS}}
    assert '| wood | 1 of 3 |' in view_range.write(result, tmp_path)
    assert json.loads((tmp_path / 'view_range.json').read_text()) == result


def test_a_step_hides_the_ground_and_moves_more_than_it():
    ground, skin = np.full((1500, 1500), 60, np.uint8), np.full((1500, 1500), 200, np.uint8)
    mask = np.zeros((1500, 1500), np.uint8)
    mask[700:800, 700:800] = 255
    near = 0.8 * DEPTH
    world = SteppedWorld(PlanarWorld(ground), ((PlanarWorld(skin, depth=near), PlanarWorld(mask, depth=near)),))
    columns = []
    for x in (0.0, 0.02):
        bright = world.image(se3.inverse(se3.from_pose_vector([x, 0, 0, 0, 0, 0]))) > 150
        columns.append(np.nonzero(bright.any(axis=0))[0].mean())
    assert columns[0] - columns[1] == pytest.approx(0.02 * 600 / near, abs=1.0)
    drawn = SteppedWorld.draw(np.random.default_rng(0), ground, [skin]).image(np.eye(4)) > 150
    assert 0.01 < drawn.mean() < 0.9


def test_a_method_that_no_longer_comes_nearer_has_arrived(monkeypatch, executed):
    """One with a jitter within the limits of success is sampled at the goal and not driven on for 120 steps."""

    class Jittery:
        def start(self, reference, seed):
            self.rng = np.random.default_rng(seed)

        def step(self, image):
            return Step(np.r_[self.rng.choice((-1.0, 1.0)) * 1e-5, np.zeros(5)])

    monkeypatch.setattr(runs, 'draw_start', lambda *_: se3.from_pose_vector([4e-4, 0, 0, 0, 0, 0]))
    result = executed(Jittery(), 0, 0)
    assert result.converged
    assert result.steps < 60
    assert len(result.hold_mm) == 20
    assert result.images == result.steps


def test_a_search_that_passes_the_goal_is_no_arrival(executed):
    class Searching:
        def start(self, *_):
            self.images = 0

        def step(self, image):
            self.images += 1
            leaves = 0.0 if self.images <= 30 else 1e-3
            return Step(np.r_[1e-5 + leaves, np.zeros(5)], searching=True)

    result = executed(Searching(), 0, 0)
    assert not result.converged
    assert result.hold_mm == []
    assert result.steps > 60


def test_while_lost_it_looks_on_then_searches_within_bounds_and_comes_back(monkeypatch, reference):
    method = EstimatorServoing(retreat=True)
    monkeypatch.setattr(
        method._estimator,
        'estimate',
        lambda image, motion: RelativePose(np.eye(4), np.eye(6), 0.0, PoseStatus.LOST),
    )
    method.start(reference, seed=0)
    steps = [method.step(reference.image).motion for _ in range(200)]
    assert steps[:5] == [None] * 5
    path = [np.eye(4)]
    for motion in steps:
        path.append(path[-1] if motion is None else path[-1] @ se3.exp(motion))
    distance, angle = np.array([se3.pose_error(pose) for pose in path]).T
    assert distance.max() == pytest.approx(0.15, abs=1e-3)
    assert np.rad2deg(angle.max()) == pytest.approx(20.0, abs=0.5)
    assert distance[-1] < 1e-3
    assert np.rad2deg(angle[-1]) < 0.2
    # Long enough to give up for want of anything to do, at the end.
    assert steps[-LOST_STEPS:] == [None] * LOST_STEPS


def test_the_path_of_a_model_may_name_the_scene(monkeypatch):
    monkeypatch.setenv(MODEL_VARIABLE, '/models/{network}/{scene}.onnx')
    assert model_of('regressor', 'coffee') == '/models/geometric/coffee.onnx'
    assert model_of('alexnet', 'coffee') == '/models/alexnet/coffee.onnx'
    assert model_of('sift', 'coffee') is None
    monkeypatch.delenv(MODEL_VARIABLE)
    with pytest.raises(TrainingError, match='should be given a model'):
        model_of('hybrid', 'coffee')


def test_every_method_is_in_the_legend_wherever_it_ran(tmp_path, monkeypatch):
    from matplotlib import pyplot

    drawn = []
    monkeypatch.setattr(pyplot, 'close', drawn.append)
    perturbed = replace(record('orb').key, condition='perturbed')
    summary.write([record('sift'), replace(record('orb'), key=perturbed)], tmp_path)
    [legend] = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ['sift', 'orb']


def test_errors_are_not_set_against_the_bound_of_another_view():
    keys = [replace(record().key, condition=name) for name in ('perturbed', 'mirror')]
    result = summary.summarise(replace(record(), key=key) for key in keys)['sift']
    assert result['perturbed']['over_bound'] > 1
    assert result['mirror']['over_bound'] is None
    assert result['mirror']['per_scene_over_bound'] == {'wood': None}


def test_calibrations_that_an_interruption_cut_short_are_made_again(tmp_path):
    line = json.dumps(asdict(calibration.Trial('nominal', 0, 'no parallax')))
    (tmp_path / 'calibration.jsonl').write_text(line + '\n' + line[:20])
    calibration.run(0, tmp_path)
    assert (tmp_path / 'calibration.jsonl').read_text() == line + '\n'
