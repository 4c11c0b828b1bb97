"""A run's folder holds what it should, and the pictures show something."""

import json
import re
import subprocess
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from cnn_vs_ros.errors import VisualServoingError
from cnn_vs_ros.report import ProgressLine, RunFolder, draw_report, new_folder, video, write_page, write_run
from cnn_vs_ros.report.figure import _six, difference
from cnn_vs_ros.report.video import ffmpeg
from cnn_vs_ros.run import Plan, Series, Trajectory
from test.run.fake_graph import FakeGraph


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    graph = FakeGraph()
    series = Series(graph, Plan(), 'fake')
    series.prepare()
    folder = RunFolder(tmp_path_factory.mktemp('run'))
    write_run(folder, *series.run(0), graph.image)
    return folder


def test_the_folder_holds_what_it_should(folder):
    names = {path.name for path in folder.path.iterdir()}
    assert names == {
        'summary.json', 'trajectory.csv', 'initial.png', 'final.png', 'reference.png', 'report.png', 'run.mp4',
        'report.html',
    }  # fmt: skip
    summary = json.loads((folder.path / 'summary.json').read_text())
    assert summary['converged'] is True
    assert summary['versions']['numpy'] == np.__version__


def test_trajectory_is_read_as_it_was_written(folder, tmp_path):
    trajectory = folder.trajectory()
    trajectory.write(tmp_path / 'again.csv')
    again = Trajectory.read(tmp_path / 'again.csv')
    for name in ('time', 'estimate', 'truth', 'twist', 'ssd', 'confidence'):
        np.testing.assert_array_equal(getattr(again, name), getattr(trajectory, name))
    assert again.status == trajectory.status


def test_every_panel_of_the_report_shows_its_part(folder):
    picture = cv2.imread(str(folder.report))
    height = len(picture)
    plots, images = picture[int(0.12 * height) : int(0.54 * height)], picture[int(0.66 * height) :]
    for panel in np.array_split(plots, 4, axis=1):
        assert len(np.unique(panel)) > 20
    panels = np.array_split(images, 5, axis=1)
    for panel in panels[:3]:
        assert len(np.unique(panel)) > 20
    for panel in panels[3:]:  # the fake camera always sees the reference image
        assert np.unique(panel).tolist() == [128, 255]


def test_video_has_the_duration_of_the_run(folder):
    probe = subprocess.run([ffmpeg(), '-i', str(folder.video), '-f', 'null', '-'], capture_output=True, text=True)
    assert probe.returncode == 0
    assert '128x48' in probe.stderr  # camera and difference side by side
    frames = int(probe.stderr.rpartition('frame=')[2].split()[0])
    trajectory = folder.trajectory()
    expected = 30 * (trajectory.time[-1] - trajectory.time[0]) + 15
    assert frames == pytest.approx(expected, abs=2)


def test_a_run_without_truth_images_or_estimates_is_reported_too(folder, tmp_path):
    empty = RunFolder(tmp_path)
    nan = np.full((3, 6), np.nan)
    columns = np.arange(3) / 30, nan, nan, np.zeros((3, 6)), np.full(3, np.nan), np.zeros(3), ('lost',) * 3
    empty.write_trajectory(Trajectory(*columns))
    empty.write_summary({**folder.summary(), 'converged': False, 'translation_error_mm': None, 'ended': 'lost'})
    assert cv2.imread(str(draw_report(empty))) is not None


def test_difference_is_grey_where_images_agree():
    image = np.full((4, 6, 3), 90, np.uint8)
    assert np.unique(difference(image, image)).tolist() == [128]
    assert difference(image, image[:2]) is None
    assert difference(None, image) is None


def test_new_folders_are_distinct_and_the_one_whose_run_began_last_is_the_latest(tmp_path):
    first, second = new_folder(tmp_path / 'runs'), new_folder(tmp_path / 'runs')
    assert first != second
    latest = tmp_path / 'runs' / 'latest'
    assert not latest.is_symlink()
    RunFolder(second).begin()
    RunFolder(second).begin()
    assert latest.resolve() == second.resolve()
    RunFolder(first).begin()
    assert latest.resolve() == first.resolve()
    assert {path.name for path in latest.parent.iterdir()} == {first.name, second.name, 'latest'}


def test_a_folder_of_the_users_name_has_no_latest_beside_it(tmp_path):
    (tmp_path / 'mine').mkdir()
    RunFolder(tmp_path / 'mine').begin()
    assert [path.name for path in tmp_path.iterdir()] == ['mine']


def test_the_labels_of_the_video_are_not_in_the_difference(monkeypatch):
    graph = FakeGraph()
    series = Series(graph, Plan(), 'fake')
    series.prepare()
    _, finished = series.run(0)
    compared = []
    monkeypatch.setattr(video, 'difference', lambda image, reference: compared.append(image.copy()))
    time = float(finished.images.times[0])
    video._compose(finished, graph.image, time)
    np.testing.assert_array_equal(compared[0], finished.images.at(time))


def test_six_components_have_six_colours():
    trajectory = SimpleNamespace(time=np.arange(3.0))
    axes = Figure().subplots()
    _six(axes, trajectory, np.ones((3, 6)), (1.0, 1.0), ('v', 'ω'))
    colours = {
        line.get_label(): line.get_color() for line in axes.get_lines() if not line.get_label().startswith('_')
    }
    assert len(colours) == len(set(colours.values())) == 6


def test_a_latest_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / 'latest').mkdir()
    with pytest.raises(VisualServoingError, match='should be a link'):
        new_folder(tmp_path)
    assert (tmp_path / 'latest').is_dir()


def test_a_summary_that_is_none_is_refused(tmp_path):
    (tmp_path / 'summary.json').write_text('not json')
    with pytest.raises(VisualServoingError, match=r'summary\.json'):
        RunFolder(tmp_path).summary()


class Terminal(list):
    def isatty(self):
        return True

    def write(self, text):
        self.append(text)

    def flush(self):
        pass


class Pipe(Terminal):
    def isatty(self):
        return False


def test_progress_rewrites_its_line_on_a_terminal():
    terminal = Terminal()
    progress = ProgressLine(terminal, terminal_period=0.0)
    for text in ('a long text', 'short'):
        progress.show(text)
    progress.clear()
    assert terminal == ['\ra long text', '\rshort      ', '\r     \r']


def test_progress_is_sparse_in_a_file():
    pipe = Pipe()
    progress = ProgressLine(pipe, log_period=3600.0)
    progress.show('now')
    progress.clear()
    assert pipe == []
    progress = ProgressLine(pipe, log_period=0.0)
    progress.show('now')
    assert pipe == ['now\n']


def test_the_page_needs_no_other_file(folder):
    page = folder.page.read_text()
    summary = folder.summary()
    assert f'{summary["translation_error_mm"]:.3f} mm' in page
    assert page.count('src="data:') == 2  # plots and video
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_page_says_that_a_run_did_not_converge(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_summary({'converged': False, 'ended': '<lost>', 'translation_error_mm': None})
    page = write_page(folder).read_text()
    assert 'not converged' in page
    assert '&lt;lost&gt;' in page
