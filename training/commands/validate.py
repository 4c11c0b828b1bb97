"""Measure a matcher as training does: the share of cells that it matches right, on views of textures it never saw.

Views of the corpus's validation split and of each kind of drawn texture, nominal and perturbed.
"""

from __future__ import annotations

import argparse
import sys

from cnn_vs_ros.environment import user_path
from cnn_vs_ros.resources import SHIPPED_MODEL

SUMMARY = 'measure a matcher on the validation split and on drawn textures'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument('--model', default=SHIPPED_MODEL, help='a name or a path; default %(default)s')
    parser.add_argument('--corpus', type=user_path, required=True, help='corpus of grey tiles')
    parser.add_argument('--width', type=int, default=256, help='of the views in pixels; default 256')
    parser.add_argument('--groups', type=int, default=32, help='groups of four views for each figure; default 32')


def run(arguments: argparse.Namespace) -> int:
    """Validate, and print a table."""
    from tqdm import tqdm

    from cnn_vs_ros.estimation import load_model
    from cnn_vs_ros.estimation.coarse.matcher import MatcherNetwork
    from training.errors import TrainingError
    from training.images.textures import KINDS
    from training.matcher.validation import validate_exported

    network = MatcherNetwork(load_model(arguments.model))
    least = 4 * network.stride
    if arguments.groups < 1 or arguments.width < least or arguments.width % least:
        raise TrainingError(
            f'groups should be at least 1 and width a multiple of {least} but they are '
            f'{arguments.groups} and {arguments.width}'
        )
    rows = ['| texture | nominal | perturbed |', '|---|---|---|']
    figures = validate_exported(network, arguments.corpus, arguments.width, groups=arguments.groups)
    for name, shares in tqdm(figures, total=1 + len(KINDS), unit='texture', disable=not sys.stderr.isatty()):
        rows.append(f'| {name} | {shares["nominal"]:.3f} | {shares["perturbed"]:.3f} |')
    print('\n'.join(rows))
    return 0
