"""The methods that the benchmark compares: a registry of small classes with one interface."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial

from cnn_vs_ros.estimation import load_model
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
    'pairs': partial(RegressorServoing, 'scene_agnostic_pairs'),
    'pairs_hybrid': partial(EstimatorServoing, 'scene_agnostic_pairs'),
}
ALEXNET = 'alexnet'
# Methods that run a model of the user's: its path stands in the environment, which worker processes inherit.
MODEL_METHODS: dict[str, Callable[[str], Method]] = {
    'regressor': RegressorServoing,
    ALEXNET: RegressorServoing,
    'hybrid': EstimatorServoing,
    'scene_specific': lambda model: EstimatorServoing(model, retreat=True),
}
MODEL_VARIABLE = 'CNN_VS_ROS_BENCHMARK_MODEL'
SCENE = '{scene}'
"""Stands for the name of the scene in the path of a model."""
NETWORK = '{network}'
"""Stands for `alexnet` there in the method of that name, and for `geometric` in the others."""


def model_of(name: str, scene: str) -> str | None:
    """Return the path of the user's model that a method runs on a scene; None for a method that runs none.

    Raises TrainingError when it was not given.
    """
    if name not in MODEL_METHODS:
        return None
    if MODEL_VARIABLE not in os.environ:
        raise TrainingError(f'method {name} should be given a model: --model FILE')
    network = ALEXNET if name == ALEXNET else 'geometric'
    return os.environ[MODEL_VARIABLE].replace(SCENE, scene).replace(NETWORK, network)


def model_sha256(name: str, scene: str) -> str:
    """Return the hash of the user's model file that a method runs on a scene; '' for a method that runs none.

    Raises TrainingError when it was not given, ModelError when it is missing or no model.
    """
    model = model_of(name, scene)
    return '' if model is None else hashlib.sha256(load_model(model).path.read_bytes()).hexdigest()


def make_method(name: str, model: str | None = None) -> Method:
    """Return a new method by its registered name. Raises TrainingError, with the valid names, for another."""
    if name in MODEL_METHODS and model is not None:
        return MODEL_METHODS[name](model)
    if name not in METHODS:
        raise TrainingError(f'method should be one of {", ".join((*METHODS, *MODEL_METHODS))} but is {name!r}')
    return METHODS[name]()


__all__ = ['METHODS', 'MODEL_METHODS', 'MODEL_VARIABLE', 'Method', 'make_method', 'model_of', 'model_sha256']
