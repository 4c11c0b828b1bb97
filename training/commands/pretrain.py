"""Pre-train the scene-agnostic coarse matcher on a corpus."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

SUMMARY = 'pre-train the scene-agnostic coarse matcher on a corpus'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--corpus', type=Path, required=True, help="folder written by the verb 'corpus'")
    parser.add_argument('--output', type=Path, required=True, help='folder for the checkpoint and log.csv')
    parser.add_argument('--resume', type=Path, help='checkpoint to continue from')
    parser.add_argument('--steps', type=int, default=4000, help='total number of steps (default 4000)')
    parser.add_argument('--batch-groups', type=int, default=8, help='textures a step, 4 views each (default 8)')
    parser.add_argument('--seed', type=int, default=0, help='seed of weights and data (default 0)')
    parser.add_argument('--learning-rate', type=float, default=2.5e-3, help='at its plateau (default 2.5e-3)')
    parser.add_argument('--cooldown', type=int, default=800, help='last steps, falling to 0 (default 800)')
    parser.add_argument(
        '--drawn-share', type=float, default=0.45, help='share of drawn textures, 0 to 1 (default 0.45)'
    )
    parser.add_argument('--validate-every', type=int, default=250, help='steps between validations (default 250)')
    parser.add_argument('--threads', type=int, default=1, help='torch threads (default 1)')
    parser.add_argument('--workers', type=int, default=1, help='processes that draw views (default 1)')


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the last validation."""
    from training.pretraining import CHECKPOINT, Pretraining, PretrainingOptions

    names = {field.name for field in fields(PretrainingOptions)}
    options = PretrainingOptions(**{name: value for name, value in vars(arguments).items() if name in names})
    training = Pretraining(arguments.corpus, options)
    if arguments.resume:
        training.restore(arguments.resume)
    training.run(arguments.output)
    shown = ', '.join(f'{name} {value:.3f}' for name, value in training.metrics.items())
    print(f'pretrain: step {training.step}, {shown}; {arguments.output / CHECKPOINT}')
    return 0
