"""Tiny TFLite models, written tensor by tensor, so that a test needs no large file and can be wrong in one way."""

from collections.abc import Sequence
from typing import NamedTuple

import flatbuffers
import numpy as np
import numpy.typing as npt
from flatbuffers import flexbuffers

try:
    from ai_edge_litert import schema_py_generated as tfl
except ImportError:  # scripts/test-tflite-runtime tests without that package, and brings this one file of it
    import tflite_schema as tfl

KINDS = {"int8": tfl.TensorType.INT8, "uint8": tfl.TensorType.UINT8, "float32": tfl.TensorType.FLOAT32}
KINDS |= {"int32": tfl.TensorType.INT32, "int64": tfl.TensorType.INT64}
KINDS |= {"float16": tfl.TensorType.FLOAT16, "int16": tfl.TensorType.INT16}


class Graph:
    """A model being written. Tensors are known by their number."""

    def __init__(self) -> None:
        self.tensors: list[tfl.TensorT] = []
        self.operators: list[tfl.OperatorT] = []
        self.codes: list[tfl.OperatorCodeT] = []
        self.buffers = [tfl.BufferT()]

    def tensor(
        self,
        shape: Sequence[int],
        kind: str = "int8",
        scale: float = 1.0,
        zero_point: int = 0,
        values: npt.NDArray[np.generic] | None = None,
    ) -> int:
        made = tfl.TensorT()
        made.name = f"tensor{len(self.tensors)}".encode()
        made.shape, made.type, made.buffer = list(shape), KINDS[kind], 0
        if kind in ("int8", "uint8") or (kind == "int32" and scale != 1.0):
            made.quantization = tfl.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [zero_point]
        if values is not None:
            buffer = tfl.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator(
        self,
        code: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: tuple[int, object] | None = None,
        custom: bytes | None = None,
        version: int = 3,
        custom_options: bytes = b"",
    ) -> None:
        opcode, made = tfl.OperatorCodeT(), tfl.OperatorT()
        opcode.builtinCode, opcode.deprecatedBuiltinCode, opcode.version = code, min(code, 127), version
        opcode.customCode = custom
        made.opcodeIndex, made.inputs, made.outputs = len(self.codes), list(inputs), list(outputs)
        if custom_options:
            made.customOptions = list(custom_options)
        if options is not None:
            made.builtinOptionsType, made.builtinOptions = options
        self.codes.append(opcode)
        self.operators.append(made)

    def means(
        self, picture: int, size: int, stride: int, scale: float = 1 / 128, zero_point: int = -1
    ) -> int:
        """Means of squares of `stride` pixels, as features of three channels."""
        cells = size // stride
        given = self.tensor((1, cells, cells, 3), "int8", scale, zero_point)
        pool = tfl.Pool2DOptionsT()
        pool.padding, pool.strideW, pool.strideH = tfl.Padding.VALID, stride, stride
        pool.filterWidth, pool.filterHeight = stride, stride
        options = (tfl.BuiltinOptions.Pool2DOptions, pool)
        self.operator(tfl.BuiltinOperator.AVERAGE_POOL_2D, [picture], [given], options)
        return given

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        graph, model = tfl.SubGraphT(), tfl.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = list(inputs), list(outputs), b"main"
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes, model.description = self.codes, b"test"
        builder = flatbuffers.Builder(4096)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def classifier(labels: int = 3, size: int = 8, output: str = "int8", *, input_kind: str = "int8") -> bytes:
    """Which of `labels` colours a picture has: means of its channels, a fully connected layer, softmax."""
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), input_kind, 1 / 128, -1 if input_kind == "int8" else 127)
    as_int8 = picture
    if input_kind != "int8":
        as_int8 = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
        graph.operator(tfl.BuiltinOperator.QUANTIZE, [picture], [as_int8])
    colours = graph.means(as_int8, size, size)
    rows = np.zeros((labels, 3), np.int8)
    rows[np.arange(labels), np.arange(labels) % 3] = 127
    weights = graph.tensor(rows.shape, "int8", 1 / 32, 0, rows)
    logits = graph.tensor((1, labels), "int8", 1 / 16, 0)
    layer = tfl.FullyConnectedOptionsT()
    graph.operator(
        tfl.BuiltinOperator.FULLY_CONNECTED,
        [colours, weights, -1],
        [logits],
        (tfl.BuiltinOptions.FullyConnectedOptions, layer),
    )
    softmax = tfl.SoftmaxOptionsT()
    softmax.beta = 1.0
    scores = graph.tensor((1, labels), "int8", 1 / 256, -128)
    graph.operator(
        tfl.BuiltinOperator.SOFTMAX, [logits], [scores], (tfl.BuiltinOptions.SoftmaxOptions, softmax)
    )
    if output == "float32":
        real = graph.tensor((1, labels), "float32")
        graph.operator(tfl.BuiltinOperator.DEQUANTIZE, [scores], [real])
        scores = real
    return graph.content([picture], [scores])


def segmenter(size: int = 32, stride: int = 4, output: str = "int8") -> bytes:
    """Numbers for red, green and blue in each square of pixels: its mean colour."""
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
    colours = graph.means(picture, size, stride)
    if output == "float32":
        real = graph.tensor((1, size // stride, size // stride, 3), "float32")
        graph.operator(tfl.BuiltinOperator.DEQUANTIZE, [colours], [real])
        colours = real
    return graph.content([picture], [colours])


def backbone(size: int = 32, unfit_scale: float | None = None) -> bytes:
    """Features at strides 8 and 16: the mean colour of each square of pixels."""
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
    outputs = [graph.means(picture, size, 8), graph.means(picture, size, 16)]
    if unfit_scale is not None:
        graph.tensors[outputs[0]].quantization.scale = [unfit_scale]
    return graph.content([picture], outputs)


def smoother(
    size: int = 16, block: int = 1, stride: int = 1, output: str = "int8", *, channels: int | None = None
) -> bytes:
    """A restoration: what is to be added to a pixel to make it the mean of the 3×3 around it.

    With a `block` and a `stride` of 2 a cell holds 2×2 such pixels; with a stride of 1, the picture is doubled,
    and what is added to each pixel of a block is its number, in half grey levels: to see where it lands.
    """
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
    channels = channels or 3 * block * block
    kernel = 3 if stride == 1 else 4
    weights = np.zeros((channels, kernel, kernel, 3), np.int8)
    bias = np.zeros(channels, np.int32)
    for number in range(channels):
        row, column, colour = number // 3 // block, number // 3 % block, number % 3
        if block == stride:
            weights[number, row : row + 3, column : column + 3, colour] = 9
            weights[number, row + 1, column + 1, colour] = -72
        else:
            bias[number] = (number + 1) * 81 // 2
    cells = (size - kernel) // stride + 1
    taken = graph.tensor(weights.shape, "int8", 1 / 81, 0, weights)
    offset = graph.tensor(bias.shape, "int32", 1 / 128 / 81, 0, bias)
    given = graph.tensor((1, cells, cells, channels), "int8", 1 / 128, 0)
    layer = tfl.Conv2DOptionsT()
    layer.padding, layer.strideW, layer.strideH = tfl.Padding.VALID, stride, stride
    layer.dilationWFactor = layer.dilationHFactor = 1
    graph.operator(
        tfl.BuiltinOperator.CONV_2D,
        [picture, taken, offset],
        [given],
        (tfl.BuiltinOptions.Conv2DOptions, layer),
    )
    if output == "float32":
        real = graph.tensor((1, cells, cells, channels), "float32")
        graph.operator(tfl.BuiltinOperator.DEQUANTIZE, [given], [real])
        given = real
    return graph.content([picture], [given])


def passthrough(
    shape: Sequence[int] = (1, 8, 8, 3), kind: str = "int8", *, inputs: int = 1, dynamic: bool = False
) -> bytes:
    """A model that adds a picture to itself; for what its input may look like."""
    graph = Graph()
    taken = [graph.tensor(shape, kind, 1 / 128, -1) for _ in range(inputs)]
    given = graph.tensor(shape, kind, 1 / 128, -1)
    if dynamic:
        graph.tensors[taken[0]].shapeSignature = [-1, *shape[1:]]
    graph.operator(
        tfl.BuiltinOperator.ADD,
        [taken[0], taken[-1]],
        [given],
        (tfl.BuiltinOptions.AddOptions, tfl.AddOptionsT()),
    )
    return graph.content(taken, [given])


class Output(NamedTuple):
    """An output of `strange`: `bias` + `red` × how red the picture is (0…1), as an array of that shape."""

    bias: npt.NDArray[np.float32]
    red: npt.NDArray[np.float32] | None = None
    kind: str = "float32"


def strange(outputs: Sequence[Output], size: int = 32, input_kind: str = "float32") -> bytes:
    """A model as others train them: what it gives is `outputs`. A float input is 0…1."""
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), input_kind, 1 / 255, 0 if input_kind == "uint8" else -128)
    real = picture
    if input_kind != "float32":
        real = graph.tensor((1, size, size, 3), "float32")
        graph.operator(tfl.BuiltinOperator.DEQUANTIZE, [picture], [real])
    colours = graph.tensor((1, 1, 1, 3), "float32")
    pool = tfl.Pool2DOptionsT()
    pool.padding, pool.strideW, pool.strideH = tfl.Padding.VALID, size, size
    pool.filterWidth, pool.filterHeight = size, size
    options = (tfl.BuiltinOptions.Pool2DOptions, pool)
    graph.operator(tfl.BuiltinOperator.AVERAGE_POOL_2D, [real], [colours], options)
    return graph.content([picture], [_given(graph, colours, output) for output in outputs])


def _given(graph: Graph, colours: int, output: Output) -> int:
    bias = np.asarray(output.bias, np.float32)
    weights = np.zeros((bias.size, 3), np.float32)
    weights[:, 0] = 0 if output.red is None else np.broadcast_to(output.red, bias.shape).reshape(-1)
    flat = graph.tensor((1, bias.size), "float32")
    graph.operator(
        tfl.BuiltinOperator.FULLY_CONNECTED,
        [
            colours,
            graph.tensor(weights.shape, "float32", values=weights),
            graph.tensor((bias.size,), "float32", values=bias.reshape(-1)),
        ],
        [flat],
        (tfl.BuiltinOptions.FullyConnectedOptions, tfl.FullyConnectedOptionsT()),
    )
    shape = np.array(bias.shape, np.int32)
    shaped = graph.tensor(bias.shape, "float32")
    reshape = tfl.ReshapeOptionsT()
    reshape.newShape = shape.tolist()
    to = graph.tensor(shape.shape, "int32", values=shape)
    options = (tfl.BuiltinOptions.ReshapeOptions, reshape)
    graph.operator(tfl.BuiltinOperator.RESHAPE, [flat, to], [shaped], options, version=1)
    if output.kind == "float32":
        return shaped
    cast = graph.tensor(bias.shape, output.kind)
    graph.operator(
        tfl.BuiltinOperator.CAST,
        [shaped],
        [cast],
        (tfl.BuiltinOptions.CastOptions, tfl.CastOptionsT()),
        version=1,
    )
    return cast


def post_processed(
    boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32], anchors: npt.NDArray[np.float32]
) -> bytes:
    """TFLite's own post-process of the raw outputs of an SSD, with a background; nothing is suppressed."""
    build, graph = flexbuffers.Builder(), Graph()
    with build.Map():
        for key, number in (("max_detections", len(boxes)), ("max_classes_per_detection", 1)):
            build.Int(key, number)
        build.Int("num_classes", scores.shape[1] - 1)
        build.Bool("use_regular_nms", False)  # noqa: FBT003 - flexbuffers' way
        build.Float("nms_score_threshold", 0.0)
        build.Float("nms_iou_threshold", 1.0)
        for key, scale in (("y_scale", 10.0), ("x_scale", 10.0), ("h_scale", 5.0), ("w_scale", 5.0)):
            build.Float(key, scale)
    given = [graph.tensor((1, *each.shape), "float32", values=each) for each in (boxes, scores)]
    given.append(graph.tensor(anchors.shape, "float32", values=anchors))
    shapes = ((1, len(boxes), 4), (1, len(boxes)), (1, len(boxes)), (1,))
    found = [graph.tensor(shape, "float32") for shape in shapes]
    graph.operator(
        tfl.BuiltinOperator.CUSTOM,
        given,
        found,
        custom=b"TFLite_Detection_PostProcess",
        version=1,
        custom_options=bytes(build.Finish()),
    )
    return graph.content([graph.tensor((1, 8, 8, 3), "float32")], found)


def custom(operation: bytes = b"MyOwnOp") -> bytes:
    """A model with an operation that no runtime knows."""
    graph = Graph()
    taken, given = (
        graph.tensor((1, 8, 8, 3), "int8", 1 / 128, -1),
        graph.tensor((1, 8, 8, 3), "int8", 1 / 128, -1),
    )
    graph.operator(tfl.BuiltinOperator.CUSTOM, [taken], [given], custom=operation)
    return graph.content([taken], [given])


def detector(
    size: int = 32, labels: int = 2, *, names: tuple[str, str] = ("scores", "distances"), stride: int = 8
) -> bytes:
    """On each cell of `stride` pixels a logit for each of `labels` colours, and a box of one cell around it.

    A cell of a full colour has the logit 8, one of another -8.
    """
    graph = Graph()
    cells = size // stride
    picture = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
    colours = graph.means(picture, size, stride)
    outputs = []
    rows = np.zeros((labels, 1, 1, 3), np.int8)
    rows[np.arange(labels), 0, 0, np.arange(labels) % 3] = 127
    for weights, scale in ((rows, 1 / 16), (np.zeros((4, 1, 1, 3), np.int8), 1 / 64)):
        given = graph.tensor((1, cells, cells, len(weights)), "int8", scale, 0)
        kernel = graph.tensor(weights.shape, "int8", 8 / 127, 0, weights)
        # ln(1/2), half a cell to each edge, on the scale of picture times kernel.
        start = 0.0 if scale == 1 / 16 else np.log(0.5)
        steps = np.full(len(weights), round(start / (8 / 127 / 128)), np.int32)
        bias = graph.tensor((len(weights),), "int32", 8 / 127 / 128, 0, steps)
        layer = tfl.Conv2DOptionsT()
        layer.padding, layer.strideW, layer.strideH = tfl.Padding.VALID, 1, 1
        options = (tfl.BuiltinOptions.Conv2DOptions, layer)
        graph.operator(tfl.BuiltinOperator.CONV_2D, [colours, kernel, bias], [given], options)
        outputs.append(given)
    for output, name in zip(outputs, names, strict=True):
        graph.tensors[output].name = name.encode()
    return graph.content([picture], outputs)


def part_detector(size: int = 64, stride: int = 2, cells: int = 5) -> bytes:
    """Finds red squares of `cells` cells of `stride` pixels, and on them green marks of four cells or so.

    The logit of red is 16 × (share of the square that is red - 0.75), that of green 60 × (share - 0.08); both have
    boxes as large as the square.
    """
    graph = Graph()
    across, grey = size // stride, 1 / 255
    # Black is zero, so that what is beyond the picture's edge is black, too.
    picture = graph.tensor((1, size, size, 3), "int8", grey, -128)
    colours = graph.means(picture, size, stride, grey, -128)
    rows = np.zeros((2, cells, cells, 3), np.int8)
    kernel_scale = 60 / cells**2 / 127
    rows[0, ..., 0], rows[1, ..., 1] = round(16 / cells**2 / kernel_scale), 127
    outputs = []
    for name, scale, weights, start in (
        ("scores", 1 / 8, rows, [-16 * 0.75, -60 * 0.08]),
        ("distances", 1 / 64, np.zeros((4, 1, 1, 3), np.int8), [np.log(cells / 2)] * 4),
    ):
        given = graph.tensor((1, across, across, len(weights)), "int8", scale, 0)
        kernel = graph.tensor(weights.shape, "int8", kernel_scale, 0, weights)
        steps = np.rint(np.array(start) / (kernel_scale * grey)).astype(np.int32)
        bias = graph.tensor((len(weights),), "int32", kernel_scale * grey, 0, steps)
        layer = tfl.Conv2DOptionsT()
        layer.padding, layer.strideW, layer.strideH = tfl.Padding.SAME, 1, 1
        options = (tfl.BuiltinOptions.Conv2DOptions, layer)
        graph.operator(tfl.BuiltinOperator.CONV_2D, [colours, kernel, bias], [given], options)
        graph.tensors[given].name = name.encode()
        outputs.append(given)
    return graph.content([picture], outputs)
