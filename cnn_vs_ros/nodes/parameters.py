"""Declaring the parameters of a node: a default, a description, a range."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from cnn_vs_ros.errors import ParameterError
from cnn_vs_ros.nodes.parameter_types import fitted, type_of, type_refusal


def declare(
    node: Node,
    name: str,
    default: Any,
    description: str,
    *,
    bounds: tuple[float, float] | None = None,
    choices: Sequence[str] | None = None,
    read_only: bool = False,
    read_on: str = '',
) -> Any:
    """Declare a parameter and return its value.

    `bounds` are the least and the greatest value of a number, both allowed; `choices` the words that are
    allowed. A value outside them is refused, now with a ParameterError and later by the set_parameters service.
    A value of another type is taken where it says the same. `read_on` names the transition of a managed node at
    which the value is read: to set it says so.
    """
    descriptor = ParameterDescriptor(name=name, description=description, read_only=read_only)
    if read_on:
        descriptor.description += f' Read on {read_on}.'
    if bounds is not None and isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(bounds[0]), to_value=float(bounds[1]))
        ]
    elif bounds is not None:
        descriptor.integer_range = [IntegerRange(from_value=int(bounds[0]), to_value=int(bounds[1]), step=1)]
    if choices is not None:
        descriptor.additional_constraints = f'one of {", ".join(choices)}'
    declared = type_of(default)
    given = node._parameter_overrides.get(name)
    if given is not None:
        node._parameter_overrides[name] = fitted(given, declared)
    try:
        value = node.declare_parameter(name, default, descriptor).value
    except ParameterAlreadyDeclaredException:
        return node.get_parameter(name).value
    except InvalidParameterTypeException as error:
        assert given is not None
        raise ParameterError(type_refusal(name, given.value, declared)) from error
    except InvalidParameterValueException as error:
        raise ParameterError(f'parameter {name} should {_allowed(bounds)} but is not: {error}') from error
    if choices is not None:
        if value not in choices:
            raise ParameterError(_refusal(name, choices, value))
        node.add_on_set_parameters_callback(_restriction(name, tuple(choices)))
    if bounds is not None and isinstance(default, float):
        if not math.isfinite(value):
            raise ParameterError(f'parameter {name} should {_allowed(bounds)} but is {value}')
        node.add_on_set_parameters_callback(_finite(name, bounds))
    if not node._pre_set_parameters_callbacks:  # one for all: rclpy appends what each returns to what others do
        node.add_pre_set_parameters_callback(partial(_fit, node))
    if read_on:
        node.add_post_set_parameters_callback(partial(_announce, node, name, read_on))
    return value


def default_of(function: Any, name: str) -> Any:
    """Return the default of an argument of a function, or of what makes an object of a class."""
    return signature(function).parameters[name].default


def _fit(node: Node, parameters: list[Parameter]) -> list[Parameter]:
    known = {item.name: node.describe_parameter(item.name) for item in parameters if node.has_parameter(item.name)}
    return [
        fitted(item, Parameter.Type(known[item.name].type)) if item.name in known else item for item in parameters
    ]


def _announce(node: Node, name: str, read_on: str, parameters: list[Parameter]) -> None:
    if any(parameter.name == name for parameter in parameters):
        node.get_logger().info(f'{name} is read on {read_on}: it acts from the next one on')


def _allowed(bounds: tuple[float, float] | None) -> str:
    return 'be valid' if bounds is None else f'lie between {bounds[0]:g} and {bounds[1]:g}'


def _refusal(name: str, choices: Sequence[str], value: Any) -> str:
    return f'parameter {name} should be one of {", ".join(choices)} but is {value!r}'


def _finite(name: str, bounds: tuple[float, float]) -> Any:
    # rclpy's own check of the range lets nan pass.
    def check(parameters: list) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == name and isinstance(parameter.value, float) and math.isnan(parameter.value):
                reason = f'parameter {name} should {_allowed(bounds)} but is {parameter.value}'
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    return check


def _restriction(name: str, choices: tuple[str, ...]) -> Any:
    def check(parameters: list) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == name and parameter.value not in choices:
                return SetParametersResult(successful=False, reason=_refusal(name, choices, parameter.value))
        return SetParametersResult(successful=True)

    return check
