"""From the float .tflite to the int8 one: ranges, quantization, scales that hardware can use, clear names."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import qtyping, quantizer, recipe, recipe_manager
from backbone_graph import BuildError
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ranges = dict[str, tuple[float, float]]

INPUT, STRIDE_8, STRIDE_16 = "pixels", "stride8", "stride16"
DESCRIPTION = "EfficientNet-{} up to stride 16, ImageNet weights"

# Exactly the range in which int8 is the pixel - 128: scale 1/128, zero point -1.
INPUT_RANGE = (-127 / 128, 1.0)

# What is cut off costs more than coarser steps: 1.15 times the mean extremes brings int8 and float closer on every
# set (correlation of anomaly maps 0.9893 to 0.9906 on the worst one), 0.85 times and less take them further apart.
MARGIN = 1.15

# A channel's weight scale is at least this share of its layer's largest, and its bias at most 24 bits long.
SMALLEST_SCALE_SHARE = 2.0**-12
LARGEST_BIAS = 2.0**24
COPIED = b"_duplicated_"
"""In the name that the quantizer gives to the copy of a constant."""


def quantize(float_model: bytes, pictures: tuple[Pixels, ...]) -> bytes:
    """Quantize weights per channel and activations per tensor, with ranges seen on the pictures."""
    return quantize_with(float_model, activation_ranges(float_model, pictures))


def quantize_with(float_model: bytes, ranges: Ranges) -> bytes:
    """Quantize weights per channel and activations per tensor; each is given its range, by name."""
    shape = (1, 1, 1, 1)
    calibration = {
        name: {"min": np.full(shape, low, np.float32), "max": np.full(shape, high, np.float32)}
        for name, (low, high) in ranges.items()
    }
    worker = quantizer.Quantizer(bytearray(float_model), recipe.static_wi8_ai8())
    quantized = worker.quantize(calibration, enable_progress_report=False).quantized_model
    return _raise_tiny_scales(bytes(quantized), float_model)


def activation_ranges(float_model: bytes, pictures: tuple[Pixels, ...]) -> Ranges:
    """Mean over the pictures of each tensor's smallest and largest value: one wild picture moves it little."""
    interpreter = Interpreter(
        model_content=float_model, num_threads=1, experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    names = {t["index"]: t["name"] for t in interpreter.get_tensor_details()}
    operations = [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]  # noqa: SLF001
    seen: dict[int, list[tuple[float, float]]] = {int(op["outputs"][0]): [] for op in operations}
    for picture in pictures:
        interpreter.set_tensor(entry["index"], ((picture.astype(np.float32) - 127) / 128)[None])
        interpreter.invoke()
        for index, extremes in seen.items():
            value = interpreter.get_tensor(index)
            extremes.append((float(value.min()), float(value.max())))
    ranges = {names[index]: _range(np.array(extremes)) for index, extremes in seen.items()}
    return ranges | {entry["name"]: INPUT_RANGE}


def _range(extremes: NDArray[np.float64]) -> tuple[float, float]:
    if extremes[:, 0].min() == 0:
        # After ReLU6: what the brightest picture reaches, at most 6.
        return 0.0, float(extremes[:, 1].max())
    low, high = extremes.mean(0) * MARGIN
    return float(low), float(high)


def _raise_tiny_scales(quantized: bytes, float_model: bytes) -> bytes:
    """Give channels whose weights are all but zero a usable scale.

    The training left channels with weights near 1e-10 that only pass on their bias. On the scale of such weights
    the bias does not fit 32 bits, and the quantizer clips it, even to the wrong sign.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(quantized))
    original = flatbuffer_utils.read_model_from_bytearray(bytearray(float_model))
    exact = {
        t.name: np.frombuffer(bytes(original.buffers[t.buffer].data), np.float32)
        for t in original.subgraphs[0].tensors
        if original.buffers[t.buffer].data is not None
    }
    # The quantizer gives every user of a shared constant a copy of its own.
    exact |= {
        t.name: exact[whole]
        for t in model.subgraphs[0].tensors
        if (whole := t.name.split(COPIED)[0]) != t.name and whole in exact
    }
    graph = model.subgraphs[0]
    for operation in graph.operators:
        if len(operation.inputs) != 3:
            continue
        source, weights, bias = (graph.tensors[i] for i in operation.inputs)
        axis = weights.quantization.quantizedDimension
        scale = np.asarray(weights.quantization.scale, np.float32)
        source_scale = float(source.quantization.scale[0])
        floor = np.maximum(
            scale.max() * SMALLEST_SCALE_SHARE, np.abs(exact[bias.name]) / source_scale / LARGEST_BIAS
        )
        scale = np.maximum(scale, floor).astype(np.float32)
        along = np.where(np.arange(4) == axis, len(scale), 1)
        steps = exact[weights.name].reshape(weights.shape) / scale.reshape(along)
        _write(model, weights, np.clip(np.rint(steps), -127, 127).astype(np.int8), scale)
        bias_scale = (source_scale * scale).astype(np.float32)
        _write(
            model,
            bias,
            np.rint(exact[bias.name] / bias_scale.astype(np.float64)).astype(np.int32),
            bias_scale,
        )
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _write(model: object, tensor: object, value: NDArray[np.generic], scale: Floats) -> None:
    model.buffers[tensor.buffer].data = np.frombuffer(value.tobytes(), np.uint8)  # type: ignore[attr-defined]
    tensor.quantization.scale = scale  # type: ignore[attr-defined]


def halve(float_model: bytes) -> bytes:
    """The same with its weights in float16: what int8 is compared with, at half the size."""
    manager = recipe_manager.RecipeManager()
    manager.add_quantization_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key=recipe.AlgorithmName.FLOAT_CASTING,
    )
    worker = quantizer.Quantizer(bytearray(float_model), manager.get_quantization_recipe())
    return bytes(worker.quantize(enable_progress_report=False).quantized_model)


def check_outputs(model: bytes, size: int) -> Interpreter:
    """Refuse a model that does not have the tensors that the rest of the program relies on."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    entry, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()
    wanted = {
        INPUT: [1, size, size, 3],
        STRIDE_8: [1, size // 8, size // 8, 40],
        STRIDE_16: [1, size // 16, size // 16, 112],
    }
    shapes = {t["name"]: t["shape"].tolist() for t in (entry, *outputs)}
    if shapes != wanted:
        raise BuildError(f"the graph's input and outputs are {shapes}, wanted are {wanted}")
    return interpreter


def check(model: bytes, size: int) -> None:
    """Refuse an int8 model that is not what the rest of the program relies on."""
    interpreter = check_outputs(model, size)
    entry = interpreter.get_input_details()[0]
    if entry["quantization"] != (1 / 128, -1):
        raise BuildError(
            f"the input's scale and zero point are {entry['quantization']}, wanted are 1/128 and -1"
        )
    floats = [t["name"] for t in interpreter.get_tensor_details() if t["dtype"] not in (np.int8, np.int32)]
    if floats:
        raise BuildError(f"tensors are left that are not integer: {', '.join(floats)}")
    kinds = {op["op_name"] for op in interpreter._get_ops_details()}  # noqa: SLF001 - nothing public tells
    if kinds - {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "DELEGATE"}:
        raise BuildError(
            f"the graph should be convolutions and additions only, and has {', '.join(sorted(kinds))}"
        )


def name_tensors(model_bytes: bytes, variant: str) -> bytes:
    """Name input, outputs and signature for people, and every other tensor by its number."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(model_bytes))
    model.description = DESCRIPTION.format(variant.capitalize()).encode()
    graph = model.subgraphs[0]
    for index, tensor in enumerate(graph.tensors):
        tensor.name = f"tensor{index}".encode()
    fine, coarse = sorted(graph.outputs, key=lambda index: -graph.tensors[index].shape[1])
    named = {graph.inputs[0]: INPUT, fine: STRIDE_8, coarse: STRIDE_16}
    for index, name in named.items():
        graph.tensors[index].name = name.encode()
    signature = model.signatureDefs[0]
    for entry in (*signature.inputs, *signature.outputs):
        entry.name = named[entry.tensorIndex].encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
