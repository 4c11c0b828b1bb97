from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')
pytest.importorskip('onnx')
pytest.importorskip('tqdm')

from training.__main__ import main
from training.commands import finetune, pretrain
from training.images import corpus


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert len(captured.err.strip().splitlines()) == 1
    return captured.err


def test_corpus_refuses_a_folder_that_does_not_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    missing = tmp_path / 'missing'
    message = refusal(capsys, 'corpus', '--output', str(tmp_path / 'out'), '--source', str(missing))
    assert 'expected a folder of images' in message
    assert str(missing) in message


def test_pretrain_refuses_a_folder_without_corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    message = refusal(capsys, 'pretrain', '--corpus', str(tmp_path), '--output', str(tmp_path / 'run'))
    assert 'expected a corpus' in message


def test_pretrain_refuses_no_steps(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    message = refusal(
        capsys, 'pretrain', '--corpus', str(tmp_path), '--output', str(tmp_path / 'run'), '--steps', '0'
    )
    assert 'expected steps of at least 1, but got 0' in message


@pytest.mark.parametrize(
    ('architecture', 'option'),
    [
        ('matcher', '--pairs'),
        ('matcher', '--epochs'),
        ('geometric_pairs', '--learning-rate'),
        ('geometric_pairs', '--steps'),
        ('geometric_pairs', '--cooldown'),
    ],
)
def test_pretrain_refuses_options_of_another_architecture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, architecture: str, option: str
) -> None:
    given = ('--corpus', str(tmp_path), '--output', str(tmp_path / 'run'), '--architecture', architecture)
    message = refusal(capsys, 'pretrain', *given, option, '1')
    assert f'expected options that architecture {architecture} uses, but got {option}' in message


@pytest.mark.parametrize(
    ('command', 'unused'),
    [
        (finetune, (*finetune._MATCHER_ONLY, *finetune._REGRESSORS_ONLY)),
        (pretrain, (*pretrain._MATCHER, *pretrain._PAIRS)),
    ],
)
def test_options_of_some_architectures_have_no_default(command: ModuleType, unused: tuple[str, ...]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    defaults = {action.dest: action.default for action in parser._actions}
    assert {name for name in unused if defaults[name] is not None} == set()
    shared = {name for name, value in defaults.items() if value is None} - set(unused)
    assert shared <= {'reference', 'corpus', 'output', 'depth', 'learning_rate', 'patience'}


@pytest.mark.parametrize('verb', ['finetune', 'pretrain'])
def test_several_processes_for_the_matcher_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv('WORLD_SIZE', '2')
    source = '--reference' if verb == 'finetune' else '--corpus'
    message = refusal(capsys, verb, source, str(tmp_path), '--output', str(tmp_path / 'model.onnx'))
    assert 'expected one process for architecture matcher, but torchrun started 2' in message


@pytest.mark.parametrize(
    ('verb', 'option', 'value'),
    [
        ('pretrain', '--seed', '-1'),
        ('pretrain', '--workers', '-1'),
        ('pretrain', '--threads', '0'),
        ('corpus', '--seed', '-1'),
        ('benchmark', '--seed', '-1'),
        ('benchmark', '--workers', '0'),
        ('fit-confidence', '--seed', '-1'),
    ],
)
def test_numbers_out_of_range_are_named(
    capsys: pytest.CaptureFixture[str], verb: str, option: str, value: str
) -> None:
    with pytest.raises(SystemExit):
        main([verb, option, value])
    assert f'argument {option}: should be' in capsys.readouterr().err


def test_outputs_that_cannot_be_written_are_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, drawn_corpus: Path
) -> None:
    (tmp_path / 'file').write_text('')
    output = ('--output', str(tmp_path / 'file' / 'run'))
    few = ('--methods', 'sift', '--scenes', 'wood', '--batches', '0', '--runs', '1')
    for given in (('pretrain', '--corpus', str(drawn_corpus), *output), ('benchmark', *few, *output)):
        assert 'cannot read or write' in refusal(capsys, *given)


def test_confidence_is_not_fitted_without_validation_tiles(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tiles = [corpus.TileRecord('drawn', 'a', '', corpus.TRAIN, 1.0)]
    corpus._write(tmp_path, np.zeros((1, 448, 448), np.uint8), tiles, {})
    given = ('--corpus', str(tmp_path), '--output', str(tmp_path / 'run'))
    assert 'expected tiles of the validation split' in refusal(capsys, 'fit-confidence', *given)


@pytest.mark.parametrize(
    ('checkpoint', 'output', 'expected'),
    [
        ('none.safetensors', 'model.onnx', 'expected a checkpoint'),
        ('none.safetensors', 'model.pt', 'ends in .onnx'),
    ],
)
def test_export_refuses_bad_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, checkpoint: str, output: str, expected: str
) -> None:
    message = refusal(
        capsys, 'export', '--checkpoint', str(tmp_path / checkpoint), '--output', str(tmp_path / output)
    )
    assert expected in message


def test_an_unknown_verb_ends_with_a_usage_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(['fly'])
    assert exit_status.value.code == 2
    assert 'invalid choice' in capsys.readouterr().err


@pytest.mark.parametrize('arguments', [['--help'], ['finetune', '--help'], ['benchmark', '--help']])
def test_help_does_not_wait_for_torch(arguments: list[str]) -> None:
    program = 'import sys; sys.modules["torch"] = None; from training.__main__ import main; main(sys.argv[1:])'
    done = subprocess.run([sys.executable, '-c', program, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'usage: python -m training' in done.stdout
