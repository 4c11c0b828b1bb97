"""Fit the estimator's confidence on validation scenes, and draw how reliable it is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from cnn_vs_ros.demo.arguments import whole_number
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.errors import TrainingError

SUMMARY = 'fit the confidence of the pose estimator, with a reliability diagram'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument('--model', default=SHIPPED_MODEL, help='a shipped model or a path; default %(default)s')
    parser.add_argument('--corpus', type=user_path, help='corpus whose validation split gives half of the scenes')
    parser.add_argument('--scenes', type=int, default=200, help='scenes; half fit, half judge; default 200')
    parser.add_argument('--seed', type=whole_number(0), default=7)
    parser.add_argument('--output', type=user_path, default=Path('runs/confidence'))


def run(arguments: argparse.Namespace) -> int:
    """Collect alignments, fit on one half of the scenes, report on the other."""
    import numpy as np

    from cnn_vs_ros.estimation.fine import confidence
    from training.evaluation import confidence_fit
    from training.images.corpus import VALIDATION, Corpus
    from training.progress import progress_bar

    if arguments.scenes < 4:
        raise TrainingError(f'scenes should be at least 4 but is {arguments.scenes}')
    corpus = Corpus.load(arguments.corpus) if arguments.corpus else None
    if corpus is not None:
        corpus.require(VALIDATION)
    halves = []
    for half, seed in (('fit', arguments.seed), ('judge', arguments.seed + 1)):
        stream = confidence_fit.samples(arguments.model, corpus, arguments.scenes // 2, seed)
        halves.append(list(progress_bar(stream, desc=half, unit='alignment')))
    arguments.output.mkdir(parents=True, exist_ok=True)
    fit_features, judge_features = (np.array([sample.features for sample in half]) for half in halves)
    weights: dict[str, list[float]] = {}
    result = {}
    for target in ('fine', 'gross'):
        fit_labels, labels = (np.array([float(getattr(s, target)) for s in half]) for half in halves)
        used = len(confidence.FEATURES) if target == 'fine' else confidence.GROSS_FEATURES
        fitted = confidence_fit.fit_logistic(fit_features[:, :used], fit_labels)
        logit = fitted[0] + judge_features[:, :used] @ fitted[1:]
        probability = 1 / (1 + np.exp(-np.clip(logit, -40, 40)))
        if target == 'fine':
            probability = np.array([confidence.reserved(value) for value in probability])
        rows, error = confidence_fit.reliability(probability, labels)
        sure = probability > 0.9
        weights[target] = _rounded(fitted)
        result[target] = {
            'expected_calibration_error': error,
            'bins': rows,
            'rate': float(labels.mean()),
            'sure': float(sure.mean()),
            'sure_and_wrong': float((1 - labels[sure]).mean()) if sure.any() else None,
        }
        print(f'{target}: {json.dumps(result[target])}')
    made = {'features': confidence.FEATURES, 'scenes': arguments.scenes, 'seed': arguments.seed}
    (arguments.output / 'confidence.json').write_text(json.dumps({**made, **weights}, indent=1) + '\n')
    (arguments.output / 'reliability.json').write_text(json.dumps(result, indent=1) + '\n')
    _draw(result, arguments.output / 'reliability.png')
    print(
        f'confidence.json (for resource/weights), reliability.json and reliability.png are in {arguments.output}'
    )
    return 0


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 5) for value in values]


def _draw(result: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot

    titles = {'fine': 'confidence: the pose is right', 'gross': 'match: the right basin'}
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
