"""Tiny TFLite models, written tensor by tensor, so that a test needs no large file and can be wrong in one way."""

from collections.abc import Sequence

import flatbuffers
import numpy as np
import numpy.typing as npt

try:
    from ai_edge_litert import schema_py_generated as tfl
except ImportError:  # scripts/test-tflite-runtime tests without that package, and brings this one file of it
    import tflite_schema as tfl

KINDS = {"int8": tfl.TensorType.INT8, "uint8": tfl.TensorType.UINT8, "float32": tfl.TensorType.FLOAT32}
KINDS |= {"int32": tfl.TensorType.INT32, "int64": tfl.TensorType.INT64}


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
    ) -> None:
        opcode, made = tfl.OperatorCodeT(), tfl.OperatorT()
        opcode.builtinCode, opcode.deprecatedBuiltinCode, opcode.version = code, min(code, 127), 3
        opcode.customCode = custom
        made.opcodeIndex, made.inputs, made.outputs = len(self.codes), list(inputs), list(outputs)
        if options is not None:
            made.builtinOptionsType, made.builtinOptions = options
        self.codes.append(opcode)
        self.operators.append(made)

    def means(self, picture: int, size: int, stride: int) -> int:
        """Means of squares of `stride` pixels, as features of three channels."""
        cells = size // stride
        given = self.tensor((1, cells, cells, 3), "int8", 1 / 128, -1)
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


def backbone(size: int = 32, unfit_scale: float | None = None) -> bytes:
    """Features at strides 8 and 16: the mean colour of each square of pixels."""
    graph = Graph()
    picture = graph.tensor((1, size, size, 3), "int8", 1 / 128, -1)
    outputs = [graph.means(picture, size, 8), graph.means(picture, size, 16)]
    if unfit_scale is not None:
        graph.tensors[outputs[0]].quantization.scale = [unfit_scale]
    return graph.content([picture], outputs)


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
