"""Fine-tune the shipped matcher on one reference: a model that knows the scene, in about a minute of CPU time.

The result is one .onnx file that the pose estimator loads by its path. An interrupted command goes on where it was
when it is given again.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from training.errors import TrainingError

SUMMARY = 'fine-tune the shipped matcher on one reference'

ARCHITECTURES = ('matcher',)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--reference', type=Path, required=True, help='reference folder, of capture_reference')
    parser.add_argument('--output', type=Path, required=True, help='model file to write (.onnx)')
    parser.add_argument(
        '--architecture', default='matcher', help=f'one of {", ".join(ARCHITECTURES)} (the default)'
    )
    parser.add_argument('--base', type=Path, help='model file to start from (default: the shipped one)')
    parser.add_argument('--steps', type=int, default=120, help='at most (default 120)')
    parser.add_argument('--batch-groups', type=int, default=6, help='groups of 4 views a step (default 6)')
    parser.add_argument('--learning-rate', type=float, default=6e-4, help='the highest (default 6e-4)')
    parser.add_argument('--validate-every', type=int, default=30, help='steps between validations (default 30)')
    parser.add_argument('--patience', type=int, default=3, help='validations without gain to the end (default 3)')
    parser.add_argument('--seed', type=int, default=0, help='of the views (default 0)')
    parser.add_argument('--threads', type=int, default=1, help='torch threads (default 1)')
    parser.add_argument('--workers', type=int, default=1, help='processes that draw views (default 1)')


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, and print the validation before and after."""
    if arguments.architecture not in ARCHITECTURES:
        raise TrainingError(
            f"expected an architecture among {', '.join(ARCHITECTURES)}, but got '{arguments.architecture}'"
        )
    from cnn_vs_ros.estimation import Reference
    from cnn_vs_ros.resources import resource_path
    from training.finetuning import FineTuningOptions, finetune

    names = {field.name for field in fields(FineTuningOptions)}
    options = FineTuningOptions(**{name: value for name, value in vars(arguments).items() if name in names})
    reference = Reference.load(arguments.reference)
    base = arguments.base or resource_path('weights') / 'scene_agnostic.onnx'
    done = finetune(
        base, reference, arguments.output, options, threads=arguments.threads, workers=arguments.workers
    )
    shown = ', '.join(f'{name} {done.before[name]:.3f} -> {done.after[name]:.3f}' for name in done.after)
    print(f'finetune: cells matched right: {shown} (step {done.best_step} of {done.step}); {arguments.output}')
    return 0
