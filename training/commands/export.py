"""Export the moving average of a checkpoint as an .onnx model."""

from __future__ import annotations

import argparse

from cnn_vs_ros.environment import user_path

SUMMARY = 'export a checkpoint as an .onnx model'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('--checkpoint', type=user_path, required=True, help="checkpoint written by 'pretrain'")
    parser.add_argument('--output', type=user_path, required=True, help='model file to write (.onnx)')


def run(arguments: argparse.Namespace) -> int:
    """Export, check against onnxruntime, and print the size."""
    from training.errors import TrainingError
    from training.matcher.export import export_matcher

    if arguments.output.suffix != '.onnx':
        raise TrainingError(f'expected an output that ends in .onnx, but got {arguments.output}')
    export_matcher(arguments.checkpoint, arguments.output)
    print(f'export: {arguments.output} ({arguments.output.stat().st_size / 1e6:.2f} MB)')
    return 0
