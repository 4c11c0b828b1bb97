"""Pre-train a scene-agnostic network on a corpus: the coarse matcher, or the paper's regressor of image pairs.

The matcher's folder gets a checkpoint, which `export` turns into a model file; a pair regressor's gets model.onnx.
An interrupted run goes on when the command is given again; torchrun starts several processes (pairs).
"""

from __future__ import annotations

import argparse

from cnn_vs_ros.demo.arguments import whole_number
from cnn_vs_ros.environment import user_path
from training.commands.given import fields_given, refuse_team, refuse_unused
from training.errors import TrainingError
from training.images.sources import DRAWN_SHARE
from training.networks.architectures import PAIR_ARCHITECTURES, architecture

SUMMARY = 'pre-train the scene-agnostic matcher on a corpus, or a regressor of image pairs'

CHECKPOINT = 'run.checkpoint'

CHOICES = ('matcher', *PAIR_ARCHITECTURES)

# Of the arguments, those that only some architectures take; None on the command line stands for their defaults.
_MATCHER = ('base', 'steps', 'batch_groups', 'learning_rate', 'cooldown', 'drawn_share', 'width', 'validate_every')
_PAIRS = ('epochs', 'pairs', 'batch', 'micro_batch', 'patience', 'validation_images', 'loss', 'weights')
_DEFAULT_WIDTH, _DEFAULT_PAIRS = 192, 11_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--corpus', type=user_path, required=True, help="folder written by the verb 'corpus'")
    parser.add_argument('--output', type=user_path, required=True, help='folder for the checkpoint and run.csv')
    parser.add_argument('--architecture', default='matcher', help=f'one of {", ".join(CHOICES)} (default matcher)')
    parser.add_argument('--seed', type=whole_number(0), default=0, help='seed of weights and data (default 0)')
    parser.add_argument('--threads', type=whole_number(1), default=1, help='torch threads (default 1)')
    parser.add_argument('--workers', type=whole_number(0), default=1, help='processes that draw views (default 1)')
    matcher = parser.add_argument_group('matcher only')
    matcher.add_argument('--base', type=user_path, help='exported matcher whose weights to go on from')
    matcher.add_argument('--steps', type=int, help='total number of steps (default 4000)')
    matcher.add_argument('--batch-groups', type=int, help='textures a step, 4 views each (default 8)')
    matcher.add_argument('--learning-rate', type=float, help='at its plateau (default 2.5e-3)')
    matcher.add_argument('--cooldown', type=int, help='last steps, falling to 0 (default 800)')
    matcher.add_argument(
        '--drawn-share', type=float, help=f'share of drawn textures, 0 to 1 (default {DRAWN_SHARE})'
    )
    matcher.add_argument('--width', type=int, help=f'of the views, in pixels, 4:3 (default {_DEFAULT_WIDTH})')
    matcher.add_argument('--validate-every', type=int, help='steps between validations (default 250)')
    pairs = parser.add_argument_group('pairs only')
    pairs.add_argument('--epochs', type=int, help='at most; pairs are new in each (default 50)')
    pairs.add_argument('--pairs', type=int, help='of an epoch (default 11000)')
    pairs.add_argument('--batch', type=int, help='pairs a step (default 50)')
    pairs.add_argument('--micro-batch', type=int, help='of them at once, to save memory (default: all; vgg16: 2)')
    pairs.add_argument('--patience', type=int, help='epochs without gain to the end (default 10)')
    pairs.add_argument('--validation-images', type=int, help='pairs judged each epoch (default 300)')
    pairs.add_argument('--loss', help='balanced or paper (eq. 10) (default balanced)')
    pairs.add_argument(
        '--weights',
        metavar='FILE',
        help="state dict of ImageNet weights; 'torchvision' downloads (the default), 'none' trains from scratch; "
        "geometric_pairs: 'shipped', the matcher",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, and print the last validation."""
    if arguments.architecture not in CHOICES:
        raise TrainingError(
            f"expected an architecture among {', '.join(CHOICES)}, but got '{arguments.architecture}'"
        )
    return _train_matcher(arguments) if arguments.architecture == 'matcher' else _train_pairs(arguments)


def _train_matcher(arguments: argparse.Namespace) -> int:
    from training.images.views import ViewSampling
    from training.matcher.pretraining import Pretraining, PretrainingOptions

    refuse_unused(arguments, _PAIRS)
    refuse_team(arguments.architecture)
    options = PretrainingOptions(**fields_given(arguments, PretrainingOptions, {}))
    width = _DEFAULT_WIDTH if arguments.width is None else arguments.width
    if width < 64 or width % 32:
        raise TrainingError(f'width should be a multiple of 32 of at least 64 but is {width}')
    sampling = ViewSampling(width=width, height=width * 3 // 4)
    training = Pretraining(arguments.corpus, options, sampling, arguments.base)
    arguments.output.mkdir(parents=True, exist_ok=True)
    training.run(arguments.output / CHECKPOINT, workers=options.workers)
    shown = ', '.join(f'{name} {value:.3f}' for name, value in training.standing.metrics.items())
    print(f'pretrain: step {training.step}, {shown}; {arguments.output / CHECKPOINT}')
    return 0


def _train_pairs(arguments: argparse.Namespace) -> int:
    import torch

    from training.loop.team import team
    from training.regression.export import export_pairs
    from training.regression.options import RegressionOptions
    from training.regression.pairs import PairRegression

    refuse_unused(arguments, _MATCHER)
    torch.set_num_threads(arguments.threads)
    network = architecture(arguments.architecture)
    defaults = {name: getattr(network, name) for name in ('learning_rate', 'optimizer', 'micro_batch')}
    options = RegressionOptions(**fields_given(arguments, RegressionOptions, defaults))
    with team() as processes:
        run = PairRegression(
            arguments.corpus,
            options,
            pairs=_DEFAULT_PAIRS if arguments.pairs is None else arguments.pairs,
            weights=arguments.weights or network.weights,
            team=processes,
        )
        if processes.leads:
            print(f'pretrain: {run.weights_used}; loss {run.loss}', flush=True)
        arguments.output.mkdir(parents=True, exist_ok=True)
        checkpoint = arguments.output / CHECKPOINT
        run.run(checkpoint, workers=arguments.workers)
        if processes.leads:
            model = arguments.output / 'model.onnx'
            export_pairs(run, run.load_best(checkpoint), model)
            best = run.standing.best_metrics
            print(
                f'pretrain: median error {best["median_mm"]:.0f} thousandths of the depth, '
                f'{best["median_degrees"]:.2f} degrees on unseen scenes (epoch {run.best_epoch}); {model}'
            )
    return 0
