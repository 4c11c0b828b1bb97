"""Random values for every parameter of a node, in and out of range and of any type; then all as before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters, SetParameters
from rclpy import parameter as parameter_api

from cnn_vs_ros.nodes.parameter_types import fitted
from test.soak.watch import Watch

_AT_ONCE = 20
_NOT_OURS = ('use_sim_time', 'qos_overrides', 'start_type_description_service')
_OUTRAGEOUS = (math.nan, math.inf, -math.inf, -1.0, 1e300, -1e300, 1e-300)
_LIMITS = 'limits.'
"""Parameters that begin so are only ever lowered: the speeds that are watched must hold all the while."""


def fuzz_parameters(watch: Watch, node: str, random: np.random.Generator, count: int) -> str:
    """Set `count` random values and then the former ones; return what went wrong, if anything did."""
    known = _parameters(watch, node)
    if not known:
        return f'{node} did not tell its parameters'
    descriptors, before = zip(*known, strict=True)
    problem = ''
    for _ in range(0, count, _AT_ONCE):
        chosen = random.integers(len(known), size=_AT_ONCE)
        parameters = [
            Parameter(name=descriptors[i].name, value=_value(descriptors[i], before[i], random)) for i in chosen
        ]
        parameters[0].name = 'no_such_parameter'
        problem = problem or _set(watch, node, parameters, [descriptors[i] for i in chosen])
    former = [
        Parameter(name=descriptor.name, value=value) for descriptor, value in known if not descriptor.read_only
    ]
    response = watch.call(SetParameters, f'{node}/set_parameters', SetParameters.Request(parameters=former))
    if response is None or not all(result.successful for result in response.results):
        return f'{node} refused the former values'
    return problem


def _parameters(watch: Watch, node: str) -> list[tuple[ParameterDescriptor, ParameterValue]]:
    """Descriptor and value of each parameter of a node that has a value."""
    found: list[tuple[ParameterDescriptor, ParameterValue]] = []
    listed = watch.call(ListParameters, f'{node}/list_parameters')
    for name in [] if listed is None else listed.result.names:
        if name.startswith(_NOT_OURS):
            continue
        described = watch.call(DescribeParameters, f'{node}/describe_parameters', _asked(DescribeParameters, name))
        # One at a time: one without a value would leave the answer about all of them empty.
        values = watch.call(GetParameters, f'{node}/get_parameters', _asked(GetParameters, name))
        if described is None or values is None:
            return []
        found += zip(described.descriptors, values.values, strict=False)
    return found


def _asked(service: Any, name: str) -> Any:
    return service.Request(names=[name])


def _set(watch: Watch, node: str, parameters: list[Any], descriptors: list[Any]) -> str:
    response = watch.call(SetParameters, f'{node}/set_parameters', SetParameters.Request(parameters=parameters))
    if response is None:
        return f'{node}/set_parameters did not answer'
    for parameter, descriptor, result in zip(parameters, descriptors, response.results, strict=True):
        if not (result.successful or result.reason):
            return f'{node} refused {parameter.name} without a reason'
        if result.successful and not _allowed(parameter, descriptor):
            return f'{node} took {parameter.name} = {parameter.value}'
    return ''


def _allowed(parameter: Any, descriptor: ParameterDescriptor) -> bool:
    given = parameter_api.Parameter.from_parameter_msg(parameter)
    parameter = fitted(given, parameter_api.Parameter.Type(descriptor.type)).to_parameter_msg()
    if parameter.name != descriptor.name or parameter.value.type != descriptor.type or descriptor.read_only:
        return False
    numbers = (*descriptor.floating_point_range, *descriptor.integer_range)
    value = (
        parameter.value.double_value
        if parameter.value.type == ParameterType.PARAMETER_DOUBLE
        else parameter.value.integer_value
    )
    return all(limits.from_value <= value <= limits.to_value for limits in numbers)


def _value(descriptor: ParameterDescriptor, before: Any, random: np.random.Generator) -> ParameterValue:
    kind = random.integers(6)
    if kind == 0:
        return ParameterValue(
            type=ParameterType.PARAMETER_DOUBLE, double_value=float(random.choice(np.array(_OUTRAGEOUS)))
        )
    if kind == 1:
        return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value='much')
    if kind == 2:
        return ParameterValue(type=ParameterType.PARAMETER_BOOL_ARRAY, bool_array_value=[False] * 5)
    if kind == 3:
        return ParameterValue(
            type=ParameterType.PARAMETER_INTEGER, integer_value=int(random.integers(-(2**62), 2**62))
        )
    if kind == 4:
        return ParameterValue(type=ParameterType.PARAMETER_NOT_SET)
    for limits in descriptor.floating_point_range:
        most = before.double_value if descriptor.name.startswith(_LIMITS) else limits.to_value
        return ParameterValue(
            type=ParameterType.PARAMETER_DOUBLE, double_value=float(random.uniform(limits.from_value, most))
        )
    return before
