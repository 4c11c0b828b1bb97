"""The command ``python -m test.soak``, in a checkout."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from cnn_vs_ros.environment import user_path
from test.soak.campaign import run_soak

_DESCRIPTION = """
Servo the simulated arm in real time for some minutes while faults are injected at random: nodes killed and frozen,
images lost, late and damaged, the clock set, files deleted and truncated, parameters and services abused. Speeds,
time to rest and memory are watched all the while.
"""
_EPILOG = """
Results are in OUTPUT: soak.md, soak.json and the nodes' logs; the last line printed is the summary.
With --into they are added to those of earlier soaks as well, and what was tried least comes first.
Exit status: 0 if every limit held and the last run converged, 1 if not, 2 if it could not be run.
"""


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m test.soak', description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument('--minutes', type=_positive, default=30.0, metavar='M', help='duration (default: 30)')
    parser.add_argument('--seed', type=int, help='of the faults and starts (default: a new one, which is printed)')
    parser.add_argument('--faults', metavar='NAME,...', help='only these, in this order (default: all, at random)')
    parser.add_argument(
        '--into',
        type=user_path,
        metavar='DIR',
        help='also add the results to soak.md and soak.json of this folder',
    )
    parser.add_argument(
        '--output', type=user_path, default=Path('runs/soak'), metavar='DIR', help='default: runs/soak'
    )
    return parser


def main(words: Sequence[str] | None = None) -> int:
    arguments = make_parser().parse_args(words)
    seed = random.SystemRandom().randrange(2**31) if arguments.seed is None else arguments.seed
    names = arguments.faults.split(',') if arguments.faults else []
    return run_soak(60.0 * arguments.minutes, seed, names, arguments.output, arguments.into)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'should be a positive number but is {text}')
    return value


if __name__ == '__main__':
    sys.exit(main())
