"""A training of a regressor from its arguments to the model file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from cnn_vs_ros.estimation import Reference
from training.errors import TrainingError
from training.identity import identity_of
from training.loop.team import Team
from training.loop.training import checkpoint_path, remove
from training.regression.export import export_regressor
from training.regression.options import RegressionOptions
from training.regression.training import Regression
from training.snapshot import occluders, shards
from training.snapshot.generator import SnapshotSettings
from training.snapshot.occluders import ClusterBank
from training.snapshot.torch_datasets import StoredSnapshots


def train(
    reference: Reference,
    options: RegressionOptions,
    settings: SnapshotSettings,
    output: Path,
    *,
    weights: str,
    occluder_folder: Path | None,
    dataset: Path | None,
    workers: int,
    team: Team,
) -> int:
    """Train on views of `reference` and write the best model to `output` (.onnx); return the exit status.

    With `dataset`, views and settings are those of that folder. Raises TrainingError for what does not fit.
    """
    stored, bank = None, None
    if dataset is not None:
        stored, settings, bank = open_dataset(dataset, reference)
    else:
        settings = replace(settings, seed=options.seed)
        if settings.perturbations.occlusion > 0:
            bank = occluders.build_bank(occluder_folder, settings.seed)
    run = Regression(reference, options, settings, bank, weights=weights, team=team, data=stored)
    checkpoint = checkpoint_path(output)
    if team.leads:
        print(f'finetune: {run.weights_used}', flush=True)
        print(f'finetune: loss {run.loss}; {run.epoch_steps} steps an epoch', flush=True)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        run.run(checkpoint, workers=workers)
        if not team.leads:
            return 0
        export_regressor(run, run.load_best(checkpoint), output)
    except OSError as error:
        raise TrainingError(f'cannot write {output}: {os.strerror(error.errno or 0)}') from error
    remove(checkpoint)
    best = run.standing.best_metrics
    print(
        f'finetune: median error {best["median_mm"]:.1f} mm, {best["median_degrees"]:.2f} degrees on new views '
        f'(epoch {run.best_epoch} of {run.step // run.epoch_steps}, {run.standing.seconds / 60:.1f} minutes); '
        f'{output}'
    )
    return 0


def open_dataset(
    folder: Path, reference: Reference
) -> tuple[StoredSnapshots, SnapshotSettings, ClusterBank | None]:
    """Open a dataset with its settings and occluders. Raises TrainingError when it is of another reference."""
    stored = StoredSnapshots(folder, verify=True)
    index = stored.index
    settings = shards.settings_of(index)
    differing = sorted(name for name, value in identity_of(reference).items() if index.get(name) != value)
    if differing:
        raise TrainingError(
            f'expected {folder} to be a dataset of this reference, but its {", ".join(differing)} differ'
        )
    bank = ClusterBank.load(folder / shards.OCCLUDER_FILE) if index['occluders'] else None
    return stored, settings, bank
