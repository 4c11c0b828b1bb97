"""Turn image folders into a corpus of grey tiles."""

from __future__ import annotations

import argparse

from cnn_vs_ros.demo.arguments import whole_number
from cnn_vs_ros.environment import user_path

SUMMARY = 'turn image folders into a corpus of grey tiles'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--output', type=user_path, required=True, help='folder to write the corpus to')
    parser.add_argument(
        '--source',
        type=user_path,
        action='append',
        required=True,
        help='folder of images or unpacked Debian package (repeatable)',
    )
    parser.add_argument(
        '--held-out',
        type=user_path,
        action='append',
        default=[],
        help='folder of images whose near-duplicates are left out (repeatable)',
    )
    parser.add_argument(
        '--exclude', action='append', default=[], help='leave out paths that contain this (repeatable)'
    )
    parser.add_argument('--seed', type=whole_number(0), default=0, help='seed of the tile positions (default 0)')


def run(arguments: argparse.Namespace) -> int:
    """Build the corpus and print its size per source."""
    from training.images import corpus

    built = corpus.build(
        arguments.source,
        arguments.output,
        held_out=arguments.held_out,
        exclude=arguments.exclude,
        seed=arguments.seed,
    )
    for source, counts in built.summary().items():
        print(f'{source}: ' + ', '.join(f'{count} {split}' for split, count in sorted(counts.items())))
    print(f'corpus: {len(built.tiles)} tiles in {arguments.output}')
    return 0
