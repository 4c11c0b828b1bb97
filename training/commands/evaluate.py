"""Measure a model on one reference: its error against the size of the offset, nominal, lit, occluded and both.

Two parts are judged, each from single images: the network alone, and the whole estimator that it runs in. The
output folder holds table.md, summary.json, errors.png and answers.jsonl; an interrupted command goes on where it
was when it is given again.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.errors import TrainingError

SUMMARY = 'measure a model on one reference, against the size of the offset'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument('--model', default=SHIPPED_MODEL, help='a name or a path; default %(default)s')
    parser.add_argument(
        '--reference', type=user_path, required=True, help='reference folder, of capture_reference'
    )
    parser.add_argument(
        '--output', type=user_path, default=Path('runs/evaluation'), help='default runs/evaluation'
    )
    parser.add_argument('--views', type=int, default=25, help='of each size and condition (default 25)')
    parser.add_argument('--depth', type=float, metavar='M', help='of the scene (default: that of the reference)')
    parser.add_argument(
        '--occluders',
        type=user_path,
        metavar='DIR',
        help='images that occluders are cut from (default: drawn textures)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, and print the table."""
    from training.commands.views import reference_of
    from training.evaluation import measure, report

    reference = reference_of(arguments)
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        answers = measure.evaluate(
            arguments.model,
            reference,
            arguments.output,
            views=arguments.views,
            occluder_folder=arguments.occluders,
        )
        summary = report.write(answers, arguments.output)
    except OSError as error:
        raise TrainingError(f'cannot write {arguments.output}: {os.strerror(error.errno or 0)}') from error
    print(report.table(summary))
    print(f'evaluate: table.md, summary.json and errors.png are in {arguments.output}')
    return 0
