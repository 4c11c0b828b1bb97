from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('tqdm')

from cnn_vs_ros.estimation import Reference
from cnn_vs_ros.geometry import se3
from test.scenes import CAMERA, DEPTH, drawn_texture, view
from training.__main__ import main
from training.errors import TrainingError
from training.evaluation import measure, report
from training.evaluation.measure import CONDITIONS, SHARES, Answer


@pytest.fixture(scope='module')
def reference() -> Reference:
    return Reference(view(drawn_texture(), np.eye(4), seed=1), CAMERA, DEPTH)


@pytest.fixture(scope='module')
def folder(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp('evaluation')
    reference.save(output / 'reference')
    arguments = ['--reference', str(output / 'reference'), '--output', str(output / 'result'), '--views', '1']
    assert main(['evaluate', *arguments]) == 0
    return output


def test_every_size_is_judged_in_every_condition(folder: Path) -> None:
    summary = json.loads((folder / 'result' / 'summary.json').read_text())
    assert list(summary) == ['network', 'estimator']
    assert list(summary['estimator']) == list(CONDITIONS)
    assert [row['share'] for row in summary['estimator']['both']] == list(SHARES)
    near = summary['estimator']['nominal'][0]
    assert near['right'] == 1.0
    assert near['median_mm'] < 0.5 < near['median_offset_mm']
    assert (folder / 'result' / 'errors.png').stat().st_size > 5000
    assert '| estimator | both |' in (folder / 'result' / 'table.md').read_text()


def test_an_interrupted_evaluation_goes_on(
    reference: Reference, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (folder / 'result' / 'answers.jsonl').read_text().splitlines(keepends=True)
    (tmp_path / 'answers.jsonl').write_text(''.join(lines[:-2]) + lines[-2][:20])
    asked = []
    judge = measure.Candidate.answer

    def counted(self, *arguments):
        asked.append(1)
        return judge(self, *arguments)

    monkeypatch.setattr(measure.Candidate, 'answer', counted)
    answers = measure.evaluate('scene_agnostic', reference, tmp_path, views=1, occluder_folder=None)
    assert len(asked) == 2
    assert len(answers) == len(SHARES) * len(CONDITIONS)
    written = (tmp_path / 'answers.jsonl').read_text()
    assert sorted(written.splitlines()) == sorted(line.rstrip('\n') for line in lines)


def test_an_answer_is_of_its_image_alone(reference: Reference) -> None:
    tilted, other = (se3.from_pose_vector(vector) for vector in ([0, 0, 0, 0.5, 0, 0], [0.02, 0, 0, 0, 0.3, 0.2]))
    images = [view(drawn_texture(), pose, seed=2) for pose in (tilted, other)]
    alone = measure.Candidate('scene_agnostic', reference).answer(images[1], other)
    candidate = measure.Candidate('scene_agnostic', reference)
    for _ in range(3):
        assert candidate.answer(images[0], tilted)[1] is not None
    assert candidate.answer(images[1], other) == alone


def test_another_evaluation_in_the_folder_is_refused(folder: Path) -> None:
    other = Reference(view(drawn_texture(3), np.eye(4), seed=1), CAMERA, DEPTH)
    with pytest.raises(TrainingError, match='holds something else'):
        measure.evaluate('scene_agnostic', other, folder / 'result', views=1, occluder_folder=None)


@pytest.mark.parametrize(
    'change',
    [{'depth': 0.3}, {'normal': (0.1, 0.0, 1.0)}, {'camera': replace(CAMERA, fx=CAMERA.fx + 1)}],
)
def test_an_evaluation_of_another_camera_or_plane_is_refused(
    reference: Reference, folder: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(TrainingError, match='holds something else'):
        measure.evaluate(
            'scene_agnostic', replace(reference, **change), folder / 'result', views=1, occluder_folder=None
        )


def test_an_evaluation_with_other_occluders_is_refused(reference: Reference, folder: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / 'occluder.png'), drawn_texture())
    with pytest.raises(TrainingError, match='holds something else'):
        measure.evaluate('scene_agnostic', reference, folder / 'result', views=1, occluder_folder=tmp_path)


def test_the_ideal_reference_keeps_plane_and_mask(reference: Reference) -> None:
    mask = np.ones(CAMERA.size[::-1], np.uint8)
    mask[:, :200] = 0
    camera = replace(CAMERA, distortion=(0.2, 0.0, 0.0, 0.0))
    bent = replace(reference, camera=camera, normal=(0.1, 0.0, 1.0), normal_sigma=0.1, mask=mask)
    ideal = measure._ideal(bent)
    assert (ideal.camera, ideal.normal, ideal.normal_sigma) == (CAMERA, bent.normal, 0.1)
    assert ideal.mask is not None
    assert not ideal.mask[:, :180].any()
    assert ideal.mask[:, 220:].all()


def test_a_summary_counts_what_was_answered_and_what_was_right() -> None:
    answers = [
        Answer('nominal', share, view, (10.0, 5.0), None if view == 0 else (0.1 * view, 0.01), (2.0, 0.1))
        for share in SHARES
        for view in range(4)
    ]
    row = report.summarise(answers)['network']['nominal'][0]
    assert (row['answered'], row['right']) == (0.75, 0.75)
    assert row['median_mm'] == pytest.approx(0.2)
    assert report.summarise(answers)['estimator']['nominal'][0]['right'] == 0.0


def test_a_missing_reference_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['evaluate', '--reference', str(tmp_path / 'none'), '--output', str(tmp_path / 'out')]) == 2
    assert 'none' in capsys.readouterr().err


def test_views_have_the_colours_of_the_reference(reference: Reference, tmp_path: Path, monkeypatch) -> None:
    blue = np.dstack([reference.image, reference.image // 2, reference.image // 4])
    shown = []

    def answer(self, image, pose):
        shown.append(image)
        return None, None

    monkeypatch.setattr(measure.Candidate, 'answer', answer)
    coloured = Reference(blue, CAMERA, DEPTH)
    measure.evaluate('scene_agnostic', coloured, tmp_path, views=1, occluder_folder=None)
    nominal = shown[0].astype(float)
    assert nominal.shape == (*CAMERA.size[::-1], 3)
    assert nominal[200:280, 280:360, 0].mean() == pytest.approx(4 * nominal[200:280, 280:360, 2].mean(), rel=0.1)
