"""Train a model on one reference snapshot: one .onnx file that the pose estimator loads by its path.

`--architecture matcher` tunes the shipped matcher in about a minute of CPU time: the practical way. The others are
the paper's: networks that regress the pose of the camera from one image, trained on views of the snapshot drawn on
the fly (or on a dataset of `python -m training dataset`). An interrupted command goes on where it was when it is
given again. Several processes: `torchrun --nproc-per-node N -m training finetune ...` (regressors only).
"""

from __future__ import annotations

import argparse

from cnn_vs_ros.environment import user_path
from training.commands import views
from training.commands.given import fields_given, refuse_team, refuse_unused
from training.errors import TrainingError
from training.networks.architectures import ARCHITECTURES

SUMMARY = 'train a model on one reference: the shipped matcher tuned, or a pose regressor'

CHOICES = ('matcher', *ARCHITECTURES)

_MATCHER_ONLY = ('base', 'steps', 'batch_groups', 'validate_every')
_DRAWN_ONLY = ('occluders', *views.DEFAULTS)
_REGRESSORS_ONLY = (
    *('epochs', 'batch', 'micro_batch', 'weights', 'loss', 'beta', 'optimizer', 'momentum', 'weight_decay'),
    *('cooldown', 'precision', 'validation_images', 'dataset', *_DRAWN_ONLY),
)

# Of the arguments that only some architectures take; None on the command line stands for these.
_MATCHER = {'steps': 120, 'batch_groups': 6, 'validate_every': 30, 'learning_rate': 6e-4, 'patience': 3}
_REGRESSOR = {'epochs': 50, 'batch': 50, 'patience': 10}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        '--reference', type=user_path, required=True, help='reference folder, of capture_reference'
    )
    parser.add_argument('--output', type=user_path, required=True, help='model file to write (.onnx)')
    parser.add_argument('--architecture', default='matcher', help=f'one of {", ".join(CHOICES)} (default matcher)')
    views.add_depth_argument(parser)
    parser.add_argument(
        '--learning-rate', type=float, help='the highest (default 6e-4; alexnet 1e-4; the others 1e-3)'
    )
    parser.add_argument(
        '--patience', type=int, help='validations without gain to the end (default 3; regressors 10)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of views and weights (default 0)')
    parser.add_argument('--threads', type=int, default=1, help='torch threads of a process (default 1)')
    parser.add_argument('--workers', type=int, default=1, help='processes that draw views (default 1)')

    matcher = parser.add_argument_group('matcher only')
    matcher.add_argument('--base', type=user_path, help='model file to start from (default: the shipped one)')
    matcher.add_argument('--steps', type=int, help='at most (default 120)')
    matcher.add_argument('--batch-groups', type=int, help='groups of 4 views a step (default 6)')
    matcher.add_argument('--validate-every', type=int, help='steps between validations (default 30)')

    regressor = parser.add_argument_group('regressors only')
    regressor.add_argument('--epochs', type=int, help='at most; views are new in each (default 50)')
    regressor.add_argument('--batch', type=int, help='views a step, of all processes together (default 50)')
    regressor.add_argument(
        '--micro-batch',
        type=int,
        metavar='N',
        help='views that go through the network at once, to save memory (default: all; vgg16: 2)',
    )
    regressor.add_argument(
        '--weights',
        metavar='FILE',
        help="state dict of ImageNet weights (.safetensors, .pth); 'torchvision' downloads those of torchvision, "
        "'none' trains from scratch (default torchvision); geometric: a network of pairs (.onnx), or 'shipped' "
        '(its default)',
    )
    regressor.add_argument('--loss', help='balanced or paper (eq. 7 in metres and degrees) (default balanced)')
    regressor.add_argument('--beta', type=float, help='weight of rotations (default 1; loss paper: 0.01)')
    regressor.add_argument('--optimizer', help='adamw or sgd (default adamw; vgg16: sgd)')
    regressor.add_argument('--momentum', type=float, help='of sgd (default 0.9)')
    regressor.add_argument('--weight-decay', type=float, help='(default 0)')
    regressor.add_argument('--cooldown', type=float, help='share of the steps of falling rate (default 0.3)')
    regressor.add_argument(
        '--precision', help='float32, or bfloat16 where a processor is faster in it (default float32)'
    )
    regressor.add_argument('--validation-images', type=int, help='views judged each epoch (default 300)')
    regressor.add_argument(
        '--dataset',
        type=user_path,
        metavar='DIR',
        help="train on this dataset of the verb 'dataset', with its views",
    )
    views.add_size_arguments(regressor)
    views.add_view_arguments(parser, of=', of regressors only')


def run(arguments: argparse.Namespace) -> int:
    """Train, and print what the validation says."""
    if arguments.architecture not in CHOICES:
        raise TrainingError(
            f"expected an architecture among {', '.join(CHOICES)}, but got '{arguments.architecture}'"
        )
    if arguments.output.suffix != '.onnx':
        raise TrainingError(f'expected an output that ends in .onnx, but got {arguments.output}')
    if arguments.threads < 1 or arguments.workers < 0:
        raise TrainingError(
            f'expected at least 1 thread and 0 workers, but got {arguments.threads} and {arguments.workers}'
        )
    if arguments.architecture == 'matcher':
        return _tune_matcher(arguments)
    return _train_regressor(arguments)


def _tune_matcher(arguments: argparse.Namespace) -> int:
    from cnn_vs_ros.resources import resource_path
    from training.matcher.finetuning import FineTuningOptions, finetune

    refuse_unused(arguments, _REGRESSORS_ONLY)
    refuse_team(arguments.architecture)
    options = FineTuningOptions(**fields_given(arguments, FineTuningOptions, _MATCHER))
    reference = views.reference_of(arguments)
    base = arguments.base or resource_path('weights') / 'scene_agnostic.onnx'
    done = finetune(
        base, reference, arguments.output, options, threads=arguments.threads, workers=arguments.workers
    )
    result = done.standing
    pairs = ((name, result.before[name], after) for name, after in result.best_metrics.items())
    shown = ', '.join(f'{name} {before:.3f} -> {after:.3f}' for name, before, after in pairs)
    print(f'finetune: cells matched right: {shown} (step {result.best_step} of {result.step}); {arguments.output}')
    return 0


def _train_regressor(arguments: argparse.Namespace) -> int:
    import torch

    from training.loop.team import team
    from training.regression import command
    from training.regression.options import RegressionOptions

    refuse_unused(arguments, _MATCHER_ONLY)
    if arguments.dataset is not None:
        refuse_unused(arguments, _DRAWN_ONLY, 'a training on a dataset')
    network = ARCHITECTURES[arguments.architecture]
    defaults = {
        **_REGRESSOR,
        **{name: getattr(network, name) for name in ('learning_rate', 'optimizer', 'micro_batch')},
    }
    options = RegressionOptions(**fields_given(arguments, RegressionOptions, defaults))
    reference = views.reference_of(arguments)
    torch.set_num_threads(arguments.threads)
    with team() as processes:
        return command.train(
            reference,
            options,
            views.settings_of(arguments),
            arguments.output,
            weights=arguments.weights or network.weights,
            occluder_folder=arguments.occluders,
            dataset=arguments.dataset,
            workers=arguments.workers,
            team=processes,
        )
