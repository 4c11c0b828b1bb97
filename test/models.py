"""Model files to try the readers of models with."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper


def tiny_model(path: Path, **metadata: str) -> Path:
    """Write an ONNX model that does nothing, with these metadata, and return its path."""
    node = helper.make_node('Identity', ['x'], ['y'])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
    model = helper.make_model(
        helper.make_graph([node], 'tiny', value[:1], value[1:]),
        opset_imports=[helper.make_opsetid('', 17)],
        ir_version=10,
    )
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path
