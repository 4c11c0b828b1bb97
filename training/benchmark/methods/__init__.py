"""The methods that the benchmark compares: a registry of small classes with one interface."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from training.benchmark.methods.base import Method
from training.benchmark.methods.features import FeatureServoing
from training.benchmark.methods.learned import CoarseServoing, EstimatorServoing, RegressorServoing
from training.benchmark.methods.particle_filter import ParticleFilterServoing
from training.benchmark.methods.photometric import PhotometricServoing
from training.errors import TrainingError

METHODS: dict[str, Callable[[], Method]] = {
    'dvs_ssd': PhotometricServoing,
    'dvs_particle_filter': ParticleFilterServoing,
    'sift': partial(FeatureServoing, 'sift'),
    'orb': partial(FeatureServoing, 'orb'),
    'xfeat': partial(FeatureServoing, 'xfeat'),
    'scene_agnostic_coarse': CoarseServoing,
    'scene_agnostic': EstimatorServoing,
    'scene_agnostic_retreat': partial(EstimatorServoing, retreat=True),
}
# Methods that run a model of the user's: its path stands in the environment, which worker processes inherit.
MODEL_METHODS: dict[str, Callable[[str], Method]] = {
    'regressor': RegressorServoing,
    'hybrid': EstimatorServoing,
    'scene_specific': lambda model: EstimatorServoing(model, retreat=True),
}
MODEL_VARIABLE = 'CNN_VS_ROS_BENCHMARK_MODEL'


def make_method(name: str) -> Method:
    """Return a new method by its registered name. Raises TrainingError, with the valid names, for another."""
    if name in MODEL_METHODS:
        if MODEL_VARIABLE not in os.environ:
            raise TrainingError(f'method {name} should be given a model: --model FILE')
        return MODEL_METHODS[name](os.environ[MODEL_VARIABLE])
    if name not in METHODS:
        raise TrainingError(f'method should be one of {", ".join((*METHODS, *MODEL_METHODS))} but is {name!r}')
    return METHODS[name]()


__all__ = ['METHODS', 'MODEL_METHODS', 'MODEL_VARIABLE', 'Method', 'make_method']
