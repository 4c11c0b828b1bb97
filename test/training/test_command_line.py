from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('torch')
pytest.importorskip('safetensors')
pytest.importorskip('onnx')
pytest.importorskip('tqdm')

from training.__main__ import main


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
