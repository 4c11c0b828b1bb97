"""Pre-train a scene-agnostic network on a corpus: the coarse matcher, or the paper's regressor of image pairs.

The matcher's folder gets a checkpoint, which `export` turns into a model file; a pair regressor's gets model.onnx.
An interrupted run goes on when the command is given again; torchrun starts several processes (pairs).
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from cnn_vs_ros.environment import user_path
from training.errors import TrainingError
from training.images.sources import DRAWN_SHARE
from training.networks.architectures import PAIR_ARCHITECTURES, architecture

SUMMARY = 'pre-train the scene-agnostic matcher on a corpus, or a regressor of image pairs'

CHECKPOINT = 'run.checkpoint'

CHOICES = ('matcher', *PAIR_ARCHITECTURES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--corpus', type=user_path, required=True, help="folder written by the verb 'corpus'")
    parser.add_argument('--output', type=user_path, required=True, help='folder for the checkpoint and run.csv')
    parser.add_argument('--architecture', default='matcher', help=f'one of {", ".join(CHOICES)} (default matcher)')
    parser.add_argument('--base', type=user_path, help='exported matcher whose weights to go on from (matcher)')
    parser.add_argument('--steps', type=int, default=4000, help='total number of steps (default 4000)')
    parser.add_argument('--batch-groups', type=int, default=8, help='textures a step, 4 views each (default 8)')
    parser.add_argument('--seed', type=int, default=0, help='seed of weights and data (default 0)')
    parser.add_argument('--learning-rate', type=float, default=2.5e-3, help='at its plateau (default 2.5e-3)')
    parser.add_argument('--cooldown', type=int, default=800, help='last steps, falling to 0 (default 800)')
    parser.add_argument(
        '--drawn-share',
        type=float,
        default=DRAWN_SHARE,
        help=f'share of drawn textures, 0 to 1 (matcher; default {DRAWN_SHARE})',
    )
    parser.add_argument(
        '--width', type=int, default=192, help='of the views, in pixels, 4:3 (matcher; default 192)'
    )
    parser.add_argument('--validate-every', type=int, default=250, help='steps between validations (default 250)')
    parser.add_argument('--threads', type=int, default=1, help='torch threads (default 1)')
    parser.add_argument('--workers', type=int, default=1, help='processes that draw views (default 1)')
    pairs = parser.add_argument_group('pairs only')
    pairs.add_argument('--epochs', type=int, default=50, help='at most; pairs are new in each (default 50)')
    pairs.add_argument('--pairs', type=int, default=11_000, help='of an epoch (default 11000)')
    pairs.add_argument('--batch', type=int, default=50, help='pairs a step (default 50)')
    pairs.add_argument('--micro-batch', type=int, help='of them at once, to save memory (default: all; vgg16: 2)')
    pairs.add_argument('--patience', type=int, default=10, help='epochs without gain to the end (default 10)')
    pairs.add_argument('--validation-images', type=int, default=300, help='pairs judged each epoch (default 300)')
    pairs.add_argument('--loss', default='balanced', help='balanced or paper (eq. 10) (default balanced)')
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

    names = {field.name for field in fields(PretrainingOptions)}
    options = PretrainingOptions(**{name: value for name, value in vars(arguments).items() if name in names})
    if arguments.width < 64 or arguments.width % 32:
        raise TrainingError(f'width should be a multiple of 32 of at least 64 but is {arguments.width}')
    sampling = ViewSampling(width=arguments.width, height=arguments.width * 3 // 4)
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

    torch.set_num_threads(arguments.threads)
    network = architecture(arguments.architecture)
    options = RegressionOptions(
        architecture=arguments.architecture,
        epochs=arguments.epochs,
        batch=arguments.batch,
        micro_batch=arguments.micro_batch or network.micro_batch,
        seed=arguments.seed,
        loss=arguments.loss,
        optimizer=network.optimizer,
        learning_rate=network.learning_rate,
        patience=arguments.patience,
        validation_images=arguments.validation_images,
    )
    with team() as processes:
        run = PairRegression(
            arguments.corpus,
            options,
            pairs=arguments.pairs,
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
