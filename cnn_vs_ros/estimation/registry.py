"""Which estimator serves which kind of model. A new kind is one class and one line here."""

from __future__ import annotations

import os
from collections.abc import Callable

from cnn_vs_ros.errors import ModelError
from cnn_vs_ros.estimation.coarse import matcher
from cnn_vs_ros.estimation.estimator import Estimator, PoseEstimator
from cnn_vs_ros.estimation.model_file import ModelFile, load_model
from cnn_vs_ros.estimation.regression import pair_regressor, regressor
from cnn_vs_ros.estimation.regression.hybrid import HybridEstimator
from cnn_vs_ros.resources import SHIPPED_MODEL

ESTIMATORS: dict[str, Callable[[ModelFile], Estimator]] = {
    matcher.KIND: PoseEstimator.of_model,
    regressor.KIND: HybridEstimator.of_model,
    pair_regressor.KIND: HybridEstimator.of_model,
}
"""The estimator of each kind of model."""


def load_estimator(model: str | os.PathLike[str] = SHIPPED_MODEL, threads: int = 1) -> Estimator:
    """Return the estimator of a shipped model by name, or of a model file by path.

    `threads` is the number of cores that inference may use; NumPy's own products take all of them in a script that
    does not call `environment.keep_blas_to_one_core` first. Raises ModelError, in one sentence, for what is no
    model or of a kind that no estimator serves.
    """
    loaded = load_model(model, threads)
    if loaded.kind not in ESTIMATORS:
        raise ModelError(f'model {loaded.path} should be one of {", ".join(ESTIMATORS)} but is a {loaded.kind}')
    return ESTIMATORS[loaded.kind](loaded)
