"""Values of parameters as people write them: 1 for 1.0, a device 0 for '0', true for the word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.parameter import Parameter

Type = Parameter.Type

_CONVERSIONS: dict[tuple[Parameter.Type, Parameter.Type], Callable[[Any], Any]] = {
    (Type.INTEGER, Type.DOUBLE): float,
    (Type.INTEGER, Type.STRING): str,
    (Type.BOOL, Type.STRING): lambda value: str(value).lower(),
    (Type.INTEGER_ARRAY, Type.DOUBLE_ARRAY): lambda values: [float(value) for value in values],
    (Type.INTEGER_ARRAY, Type.STRING_ARRAY): lambda values: [str(value) for value in values],
}
"""(given, declared) type: those where a value says the same in the other."""

_WORDS = {
    Type.BOOL: 'true or false',
    Type.INTEGER: 'a whole number',
    Type.DOUBLE: 'a number',
    Type.STRING: 'text, a number as text in two pairs of quotes ("\'1.5\'"),',
    Type.BOOL_ARRAY: 'a list of true or false',
    Type.INTEGER_ARRAY: 'a list of whole numbers',
    Type.DOUBLE_ARRAY: 'a list of numbers',
    Type.STRING_ARRAY: 'a list of text',
}


def type_of(default: Any) -> Parameter.Type:
    """Type of a parameter by its default, which may be the type itself."""
    return default if isinstance(default, Type) else Type.from_parameter_value(default)


def fitted(parameter: Parameter, declared: Parameter.Type) -> Parameter:
    """The parameter with its value in the type `declared` where it says the same in it, else as it is."""
    convert = _CONVERSIONS.get((parameter.type_, declared))
    return parameter if convert is None else Parameter(parameter.name, value=convert(parameter.value))


def type_refusal(name: str, value: Any, declared: Parameter.Type) -> str:
    """Sentence about a value of another type."""
    return f'parameter {name} should be {_WORDS[declared]} but is {value!r}'
