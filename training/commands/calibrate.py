"""Fit the estimator's confidence on validation scenes, and draw how reliable it is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from training.errors import TrainingError

SUMMARY = 'fit the confidence of the pose estimator, with a reliability diagram'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        '--model', default='scene_agnostic', help='a shipped model or a path; default scene_agnostic'
    )
    parser.add_argument('--corpus', type=Path, help='corpus whose validation split gives half of the scenes')
    parser.add_argument('--scenes', type=int, default=200, help='scenes; half fit, half judge; default 200')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--output', type=Path, default=Path('runs/calibration'))


def run(arguments: argparse.Namespace) -> int:
    """Collect alignments, fit on one half of the scenes, report on the other."""
    import numpy as np
    from tqdm import tqdm

    from training import calibration
    from training.corpus import Corpus

    if arguments.scenes < 4:
        raise TrainingError(f'scenes should be at least 4 but is {arguments.scenes}')
    corpus = Corpus.load(arguments.corpus) if arguments.corpus else None
    halves = []
    for half, seed in (('fit', arguments.seed), ('judge', arguments.seed + 1)):
        stream = calibration.samples(arguments.model, corpus, arguments.scenes // 2, seed)
        halves.append(
            list(tqdm(stream, desc=half, unit='alignment', mininterval=1.0 if sys.stderr.isatty() else 30.0))
        )
    arguments.output.mkdir(parents=True, exist_ok=True)
    result = {}
    for target in ('fine', 'gross'):
        fit, judge = (
            (np.array([s.features for s in half]), np.array([float(getattr(s, target)) for s in half]))
            for half in halves
        )
        weights = calibration.fit_logistic(*fit)
        probability = 1 / (1 + np.exp(-np.clip(judge[0] @ weights[:-1] + weights[-1], -40, 40)))
        rows, error = calibration.reliability(probability, judge[1])
        sure = probability > 0.9
        result[target] = {
            'weights': [round(float(weight), 4) for weight in weights],
            'expected_calibration_error': error,
            'bins': rows,
            'rate': float(judge[1].mean()),
            'sure': float(sure.mean()),
            'sure_and_wrong': float((1 - judge[1][sure]).mean()) if sure.any() else None,
        }
        print(f'{target}: {json.dumps(result[target])}')
        np.savez(arguments.output / f'{target}.npz', features=judge[0], labels=judge[1], probability=probability)
    (arguments.output / 'calibration.json').write_text(json.dumps(result, indent=1) + '\n')
    _draw(result, arguments.output / 'reliability.png')
    print(f'calibration.json and reliability.png are in {arguments.output}')
    return 0


def _draw(result: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    titles = {'fine': 'confidence: within 1 mm and 0.2 degrees', 'gross': 'match: the right basin'}
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 4.2), layout='constrained')
    for axis, (target, title) in zip(axes, titles.items(), strict=True):
        claimed, observed, count = zip(*result[target]['bins'], strict=True)
        axis.plot([0, 1], [0, 1], color='0.7', linewidth=1)
        axis.plot(claimed, observed, marker='o')
        for x, y, n in zip(claimed, observed, count, strict=True):
            axis.annotate(str(n), (x, y), textcoords='offset points', xytext=(5, -9), fontsize=7)
        error = result[target]['expected_calibration_error']
        axis.set(title=f'{title}\ncalibration error {error:.3f}', xlabel='claimed', ylabel='observed')
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
