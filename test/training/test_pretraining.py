from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')
pytest.importorskip('tqdm')

import numpy as np
import torch

from training.commands.pretrain import CHECKPOINT
from training.errors import TrainingError
from training.images import corpus
from training.images.corpus import TileRecord
from training.images.views import ViewSampling
from training.loop import checkpoints
from training.matcher.data import MatchingGroups, batches
from training.matcher.loss import evaluate_batch
from training.matcher.pretraining import Pretraining, PretrainingOptions

SMALL = ViewSampling(width=64, height=48, views=2)
OPTIONS = PretrainingOptions(
    steps=4, batch_groups=2, warmup=2, cooldown=0, validate_every=2, validation_groups=2, workers=0
)


def rows(log: Path) -> list[dict[str, str]]:
    with log.open() as file:
        return list(csv.DictReader(file))


def test_a_resumed_run_equals_one_that_was_not_interrupted(drawn_corpus: Path, tmp_path: Path) -> None:
    whole = Pretraining(drawn_corpus, OPTIONS, SMALL)
    whole.run(tmp_path / 'whole', progress=False)

    Pretraining(drawn_corpus, replace(OPTIONS, steps=2), SMALL).run(tmp_path / 'parts', progress=False)
    resumed = Pretraining(drawn_corpus, OPTIONS, SMALL)
    resumed.run(tmp_path / 'parts', progress=False)

    assert resumed.step == whole.step == 4
    assert [row['step'] for row in rows(tmp_path / 'parts.csv')] == ['2', '4']
    for part in ('model', 'average'):
        expected, actual = getattr(whole, part).state_dict(), getattr(resumed, part).state_dict()
        for name, value in expected.items():
            assert torch.equal(actual[name], value), f'{part}.{name}'
    assert resumed.standing.metrics == whole.standing.metrics


def test_what_was_trained_is_saved_before_it_is_validated(
    drawn_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> dict[str, float]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, 'validate', fail)
        with pytest.raises(MemoryError):
            Pretraining(drawn_corpus, OPTIONS, SMALL).run(tmp_path / CHECKPOINT, progress=False)
    resumed = Pretraining(drawn_corpus, OPTIONS, SMALL)
    resumed.restore(tmp_path / CHECKPOINT)
    assert resumed.step == 2
    resumed.run(tmp_path / CHECKPOINT, progress=False)
    assert [row['step'] for row in rows(tmp_path / 'run.csv')] == ['2', '4']


def test_a_corpus_without_validation_pictures_is_refused_before_the_first_step(tmp_path: Path) -> None:
    tiles = [TileRecord('drawn', 'a', '', 'train', 1.0)]
    corpus._write(tmp_path, np.zeros((1, 448, 448), np.uint8), tiles, {})
    with pytest.raises(TrainingError, match='expected tiles of the validation split'):
        Pretraining(tmp_path, OPTIONS, SMALL)


def test_the_log_has_a_line_a_validation(drawn_corpus: Path, tmp_path: Path) -> None:
    training = Pretraining(drawn_corpus, OPTIONS, SMALL)
    training.run(tmp_path / CHECKPOINT, progress=False)
    found = rows(tmp_path / 'run.csv')
    assert [row['step'] for row in found] == ['2', '4']
    assert float(found[-1]['nominal']) == training.standing.metrics['nominal']
    assert 0 <= training.standing.metrics['perturbed'] <= 1


def test_data_do_not_depend_on_the_process_that_draws_them(drawn_corpus: Path) -> None:
    def drawn(workers: int, first: int) -> list[torch.Tensor]:
        groups = MatchingGroups(drawn_corpus, 'train', SMALL, seed=3, drawn_share=0.5, length=6)
        return [
            part for batch in batches(groups, batch_groups=2, first_batch=first, workers=workers) for part in batch
        ]

    here, elsewhere, later = drawn(0, 0), drawn(1, 0), drawn(0, 2)
    assert len(here) == len(elsewhere) == 6
    assert all(torch.equal(a, b) for a, b in zip(here, elsewhere, strict=True))
    assert torch.equal(later[0], here[4])
    assert torch.equal(later[1], here[5])


def test_training_on_one_batch_learns_it(drawn_corpus: Path) -> None:
    options = replace(OPTIONS, steps=40, warmup=5)
    training = Pretraining(drawn_corpus, options, replace(SMALL, perturbed=False, framed=0.0))
    groups = MatchingGroups(drawn_corpus, 'train', training.sampling, seed=0, drawn_share=0.0, length=2)
    (images, labels) = next(iter(batches(groups, batch_groups=2, first_batch=0, workers=0)))
    first = training.take_step(images, labels)['match']
    for _ in range(39):
        last = training.take_step(images, labels)['match']
    assert last < 0.5 * first
    assert evaluate_batch(training.average, images, labels).match.item() < first


def test_the_learning_rate_warms_up_stays_and_cools_down() -> None:
    options = PretrainingOptions(steps=1000, warmup=100, cooldown=200, learning_rate=1.0)
    rates = [options.rate(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert set(rates[99:801]) == {1.0}
    assert rates[900] == pytest.approx(0.5)
    assert 0 < rates[999] < 0.01


@pytest.mark.parametrize('change', [{'steps': 0}, {'cooldown': 5000}, {'batch_groups': 0}, {'drawn_share': 1.5}])
def test_impossible_options_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match='expected'):
        PretrainingOptions(**change)


def test_restore_refuses_another_file(drawn_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / checkpoints.INDEX).write_text('nothing of the kind')
    with pytest.raises(TrainingError, match='expected a checkpoint'):
        Pretraining(drawn_corpus, OPTIONS, SMALL).restore(tmp_path / 'other')


def test_a_run_on_other_tiles_is_another(drawn_corpus: Path, tmp_path: Path) -> None:
    Pretraining(drawn_corpus, OPTIONS, SMALL).save(tmp_path / CHECKPOINT)
    loaded = corpus.Corpus.load(drawn_corpus)
    corpus._write(tmp_path, 255 - loaded.tiles, list(loaded.records), {})
    with pytest.raises(TrainingError, match='its corpus differ'):
        Pretraining(tmp_path, OPTIONS, SMALL).restore(tmp_path / CHECKPOINT)
