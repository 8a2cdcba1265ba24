"""A restoration's float .tflite as int8, on the ranges that it was trained with."""

import backbone_int8
from ai_edge_litert.tools import flatbuffer_utils
from restoration_network import HIDDEN_RANGE, RESIDUAL_RANGE

STEP = RESIDUAL_RANGE / 128


def to_int8(float_model: bytes) -> bytes:
    """All activations in 0…`HIDDEN_RANGE`, the output in steps of `STEP` about zero point 0."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(float_model))
    graph = model.subgraphs[0]

    def name(index: int) -> str:
        return str(graph.tensors[index].name.decode())

    ranges = {name(op.outputs[0]): (0.0, HIDDEN_RANGE) for op in graph.operators}
    ranges[name(graph.outputs[0])] = (-RESIDUAL_RANGE, RESIDUAL_RANGE - STEP)
    ranges[name(graph.inputs[0])] = backbone_int8.INPUT_RANGE
    return backbone_int8.quantize_with(float_model, ranges)
