"""Compare visual servoing methods: the paper's 10 batches of starts, on held-out scenes, under disturbances."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cnn_vs_ros.demo.arguments import whole_number
from cnn_vs_ros.environment import user_path
from cnn_vs_ros.resources import SHIPPED_MODEL
from training.errors import TrainingError

SUMMARY = "compare methods by closed-loop convergence (the paper's figure 5)"

QUICK = {'methods': 'dvs_ssd,sift,scene_agnostic', 'scenes': 'prints,wood', 'batches': '3,9', 'runs': 5}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    from training.benchmark.conditions import CONDITIONS
    from training.benchmark.methods import METHODS, MODEL_METHODS
    from training.benchmark.scenes import PHOTOGRAPHS, SCENES

    also = f'and, with --model, {", ".join(MODEL_METHODS)}'
    parser.add_argument('--methods', help=f'comma-separated; default all: {", ".join(METHODS)}; {also}')
    parser.add_argument(
        '--model',
        type=user_path,
        help=f'model file of {", ".join(MODEL_METHODS)}; {{scene}} in it is the scene of a run, {{network}} is '
        'alexnet for the method of that name and geometric for the others',
    )
    parser.add_argument(
        '--references',
        type=user_path,
        metavar='DIR',
        help="write the scenes' references there, for finetune, and end",
    )
    parser.add_argument(
        '--rejection',
        type=int,
        metavar='N',
        help='instead of runs, show N images of each kind and scene that are not of the reference, and count how '
        'often the estimator (of --model) says lost',
    )
    parser.add_argument(
        '--view-range',
        type=int,
        metavar='N',
        help='instead of runs, show N images of each scene from far, near and askew, and count how often the '
        'estimator (of --model) finds it in one image',
    )
    parser.add_argument(
        '--calibration',
        type=int,
        metavar='N',
        help='instead of runs, calibrate N simulated cells under each trouble, beside a board',
    )
    _add_real_arguments(parser)
    parser.add_argument(
        '--scenes',
        help=f'comma-separated; default all: {", ".join(SCENES)}; photographs for {", ".join(PHOTOGRAPHS)}',
    )
    parser.add_argument('--batches', help='comma-separated batch numbers; default 0 to 9')
    parser.add_argument('--runs', type=int, help="runs of each batch; default 80, the paper's")
    parser.add_argument(
        '--condition', default='nominal', help=f'comma-separated; default nominal; of {", ".join(CONDITIONS)}'
    )
    parser.add_argument('--seed', type=whole_number(0), default=0, help='seed of starts, noise and disturbances')
    parser.add_argument(
        '--workers',
        type=whole_number(1),
        default=os.cpu_count() or 1,
        help='processes; default one a core',
    )
    parser.add_argument(
        '--output',
        type=user_path,
        default=Path('runs/benchmark'),
        help='folder; runs found there are kept, and are in the table',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help='a meaningful subset: ' + ', '.join(f'{k} {v}' for k, v in QUICK.items()),
    )


def _add_real_arguments(parser: argparse.ArgumentParser) -> None:
    from training.benchmark.real.answers import NAMES

    real = parser.add_argument_group('real images', 'instead of runs: pairs and videos, in a folder of your own')
    real.add_argument(
        '--real',
        type=user_path,
        metavar='DIR',
        help=f'folder as in docs/benchmark.md; methods are {", ".join(NAMES)}',
    )
    real.add_argument('--sets', help='comma-separated; default all that its truth.json names')
    real.add_argument(
        '--pairs', choices=('first', 'all'), default='first', help='from the first image, or all ordered'
    )
    real.add_argument(
        '--focal',
        nargs='+',
        default=[],
        metavar='SET=F[,F]',
        help='focal lengths, in widths of the image, to take where the camera is unknown; default 1',
    )
    real.add_argument('--every', type=int, default=5, help='of the frames of a video one in so many; default 5')
    real.add_argument('--threads', type=int, default=1, help='threads of each method; default 1')
    real.add_argument('--pictures', action='store_true', help='also write contact sheets of the worst answers')


def run(arguments: argparse.Namespace) -> int:
    """Run the benchmark and print its table."""
    if arguments.real is not None:
        return _show_real(arguments)
    if arguments.calibration is not None:
        return _calibrate(arguments)
    return _run_loops(arguments)


def _run_loops(arguments: argparse.Namespace) -> int:
    from training.benchmark import conditions, methods, scenes, summary
    from training.benchmark.records import RunFile, RunKey, of_one_model
    from training.benchmark.runs import BATCHES, execute_all, reference

    # Worker processes inherit it: one core a method, as the figures say.
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    if arguments.quick:
        for name, value in QUICK.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
    runs = 80 if arguments.runs is None else arguments.runs
    if runs < 1:
        raise TrainingError(f'runs should be at least 1 but is {runs}')
    if arguments.model is not None:
        os.environ[methods.MODEL_VARIABLE] = str(arguments.model.resolve())
    names = _installed(_chosen(arguments.methods, methods.METHODS, 'method', also=methods.MODEL_METHODS))
    if arguments.model is None and any(name in methods.MODEL_METHODS for name in names):
        raise TrainingError(f'methods {", ".join(methods.MODEL_METHODS)} should be given a model: --model FILE')
    if arguments.scenes == 'photographs':
        arguments.scenes = ','.join(scenes.PHOTOGRAPHS)
    places = _chosen(arguments.scenes, scenes.SCENES, 'scene')
    if arguments.references is not None:
        for place in places:
            reference(place, arguments.seed).save(arguments.references / place)
        print(f'references of {", ".join(places)} are in {arguments.references}')
        return 0
    if arguments.rejection is not None:
        return _reject(arguments, places)
    if arguments.view_range is not None:
        return _look_from_all_sides(arguments, places)
    disturbances = _chosen(arguments.condition, conditions.CONDITIONS, 'condition')
    batches = [int(b) for b in _chosen(arguments.batches, {str(b): None for b in range(BATCHES)}, 'batch')]
    hashes = {(method, scene): methods.model_sha256(method, scene) for method in names for scene in places}
    keys = [
        RunKey(method, scene, condition, batch, run, arguments.seed, hashes[method, scene])
        for condition in disturbances
        for run in range(runs)
        for batch in batches
        for scene in places
        for method in names
    ]
    execute_all(keys, arguments.output, arguments.workers)
    # Of all that the folder holds: a benchmark grows by one command after the other.
    records = of_one_model(RunFile(arguments.output).read(), keys)
    result = summary.write(records, arguments.output)
    print(summary.table(result))
    print(summary.scene_table(result))
    print(f'{len(records)} runs; table.md, convergence.png, summary.json and runs.jsonl are in {arguments.output}')
    return 0


def _show_real(arguments: argparse.Namespace) -> int:
    from training.benchmark.real import folder, run
    from training.benchmark.real.answers import NAMES
    from training.benchmark.real.pairs import Choice

    if arguments.every < 1 or arguments.threads < 1:
        raise TrainingError(
            f'every and threads should be at least 1 but are {arguments.every} and {arguments.threads}'
        )
    names = folder.names(arguments.real)
    lengths = {}
    for text in arguments.focal:
        name, _, values = text.partition('=')
        try:
            lengths[name] = tuple(float(value) for value in values.split(','))
        except ValueError:
            lengths[name] = ()
        if name not in names or not lengths[name] or min(lengths[name]) <= 0:
            raise TrainingError(
                f'focal should be SET=F[,F] with a set of {", ".join(names)} and positive widths but is {text}'
            )
    request = run.Request(
        arguments.real,
        _chosen(arguments.sets, dict.fromkeys(names), 'set'),
        _installed(_chosen(arguments.methods, dict.fromkeys(NAMES), 'method')),
        Choice(arguments.pairs == 'all', lengths, arguments.every),
        None if arguments.model is None else str(arguments.model),
        arguments.threads,
        arguments.output,
        arguments.pictures,
    )
    print(run.run(request))
    print(f'real.json, real.md{" and pictures" if arguments.pictures else ""} are in {arguments.output}')
    return 0


def _calibrate(arguments: argparse.Namespace) -> int:
    from training.benchmark.calibration import run

    if arguments.calibration < 1:
        raise TrainingError(f'calibration should be of at least 1 cell but is of {arguments.calibration}')
    print(run.run(arguments.calibration, arguments.output))
    print(f'calibration.jsonl is in {arguments.output}')
    return 0


def _look_from_all_sides(arguments: argparse.Namespace, places: list[str]) -> int:
    from training.benchmark import view_range

    if arguments.view_range < 1:
        raise TrainingError(f'view range should be of at least 1 image but is of {arguments.view_range}')
    model = str(arguments.model or SHIPPED_MODEL)
    result = view_range.measure(places, arguments.view_range, arguments.seed, model)
    print(view_range.write(result, arguments.output))
    print(f'view_range.json is in {arguments.output}')
    return 0


def _reject(arguments: argparse.Namespace, places: list[str]) -> int:
    from training.benchmark import rejection

    if arguments.rejection < 1 or len(places) < 2:
        raise TrainingError(
            'rejection should have at least 1 image and 2 scenes '
            f'but has {arguments.rejection} and {", ".join(places)}'
        )
    result = rejection.measure(places, arguments.rejection, arguments.seed, str(arguments.model or SHIPPED_MODEL))
    print(rejection.write(result, arguments.output))
    print(f'rejection.json is in {arguments.output}')
    return 0


def _installed(names: list[str]) -> list[str]:
    from training.benchmark.rivals import is_installed

    there = [name for name in names if is_installed(name)]
    missing = ', '.join(name for name in names if name not in there)
    if not there:
        raise TrainingError(f'{missing} should be installed: it needs the extra rivals')
    if missing:
        print(f'{missing} is left out: it needs the extra rivals')
    return there


def _chosen(text: str | None, valid: Mapping, what: str, also: Mapping = MappingProxyType({})) -> list[str]:
    if text is None:
        return list(valid)
    valid = {**valid, **also}
    names = [name.strip() for name in text.split(',') if name.strip()]
    wrong = [name for name in names if name not in valid]
    if wrong or not names:
        raise TrainingError(f'{what} should be among {", ".join(valid)} but is {", ".join(wrong) or "empty"}')
    return names
