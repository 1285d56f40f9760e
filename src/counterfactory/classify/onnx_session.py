"""An ONNX file as a model under test: what its graph says of its input and output, and how images are made for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterfactory.classify.preparation import BICUBIC, Preparation
from counterfactory.classify.scores import Answer, Ask, answer
from counterfactory.classify.tested import OnnxModel
from counterfactory.errors import BadConfig, Unavailable
from counterfactory.types import Failed, Sample
from counterfactory.worker import Worker

ERRORS_ONLY = 3  # as the library counts what it says by itself
FORMATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
COLOURS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Graph:
    """What a file's graph takes and gives."""

    session: Any
    input: str
    output: str
    format: Any  # of its numbers
    is_last: bool  # colours last
    batch: int | None  # images at once, where it takes no other number
    outputs: int | None  # classes, where it says
    preparation: Preparation


def open_onnx(model: OnnxModel, worker: Worker) -> tuple[Ask, int | None]:
    """The session, and the number of its outputs where the graph says it."""
    graph = read_graph(model, worker)

    def ask(samples: Sequence[Sample]) -> Sequence[Answer | Failed]:
        pixels = graph.preparation.arrays(worker.pixels, [sample.image for sample in samples])
        rows = _scores(graph, _fed(graph, pixels))
        said = [answer(row, model.name, model.scores == "logits") for row in rows]
        return [_under_names(each, model.classes) for each in said]

    return ask, graph.outputs


def read_graph(model: OnnxModel, worker: Worker) -> Graph:
    """The file, opened and understood; what its graph leaves open must be said."""
    session = _session(model, worker)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in FORMATS:
        raise BadConfig(
            f"{model.name} takes {_described(inputs)}; expected one batch of images, as in 1 x 3 x 224 x 224."
        )
    given, shape = inputs[0], inputs[0].shape
    flat = [output for output in outputs if len(output.shape) == 2]
    if len(flat) != 1:
        raise BadConfig(f"{model.name} gives {_described(outputs)}; expected one table, images x classes.")
    is_last = _is_last(model, shape)
    height, width = shape[1:3] if is_last else shape[2:4]
    classes = flat[0].shape[1] if isinstance(flat[0].shape[1], int) else None
    if model.classes and classes and len(model.classes) != classes:
        raise BadConfig(f"{model.name} has {classes} outputs and {len(model.classes)} names for them.")
    return Graph(
        session=session,
        input=given.name,
        output=flat[0].name,
        format=FORMATS[given.type],
        is_last=is_last,
        batch=shape[0] if isinstance(shape[0], int) else None,
        outputs=classes,
        preparation=_preparation(model, width, height, is_raw=given.type == "tensor(uint8)"),
    )


def _session(model: OnnxModel, worker: Worker) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable("An .onnx model needs onnxruntime: pip install 'counterfactory[onnx]'.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1 if worker.deterministic else worker.processes
    options.use_deterministic_compute = worker.deterministic
    there = onnxruntime.get_available_providers()
    providers = ["CPUExecutionProvider"] if worker.device == "cpu" else there
    try:
        return onnxruntime.InferenceSession(Path(model.name), options, providers=providers)
    except Exception as error:  # its errors have no parent of their own
        reason = str(error).strip().partition("\n")[0]
        raise BadConfig(f"{model.name} cannot be opened as an ONNX model ({reason}); export it again.") from error


def _is_last(model: OnnxModel, shape: Sequence[Any]) -> bool:
    """Whether colours are the last axis: as the graph says, or as a person does where it leaves that open."""
    first, last = shape[1] == COLOURS, shape[3] == COLOURS
    if first != last:
        return bool(last)
    fixed = [side for side in (shape[1], shape[3]) if isinstance(side, int)]
    if len(fixed) == 2 and not first:
        raise BadConfig(
            f"{model.name} takes {_written(shape)}; expected {COLOURS} colours as the second or the last axis."
        )
    if model.layout is None:
        raise BadConfig(
            f"{model.name} takes {_written(shape)} and does not say where colours lie; "
            "say `layout: channels first` or `layout: channels last`."
        )
    return model.layout == "channels last"


def _preparation(model: OnnxModel, width: Any, height: Any, is_raw: bool) -> Preparation:
    """How images are made: the graph's size goes before what is said beside it."""
    told = model.size or (None, None)
    width, height = (
        side if isinstance(side, int) else other for side, other in zip((width, height), told, strict=True)
    )
    if width is None or height is None:
        raise BadConfig(
            f"{model.name} takes images of any size; say which in a `preprocessor_config.json` beside it, "
            "or as in `size: [224, 224]`."
        )
    if is_raw:
        mean, deviation = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # bytes go in as they are
    elif model.mean is None or model.deviation is None:
        raise BadConfig(
            f"{model.name} does not say how its pixels are normalised; put its `preprocessor_config.json` beside it, "
            "or give `mean` and `deviation` of pixels from 0 to 1, [0, 0, 0] and [1, 1, 1] for as they are."
        )
    else:
        mean, deviation = model.mean, model.deviation
    return Preparation(
        size=(width, height),
        mean=mean,
        deviation=deviation,
        crop=model.crop,
        resample=BICUBIC if model.resample is None else model.resample,
    )


def _fed(graph: Graph, pixels: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels (N, H, W, 3) as the graph takes them."""
    rows: NDArray[Any] = pixels
    if graph.format is not np.uint8:
        mean, deviation = (np.array(part, np.float32) for part in (graph.preparation.mean, graph.preparation.deviation))
        rows = ((pixels.astype(np.float32) / 255 - mean) / deviation).astype(graph.format)
    return np.ascontiguousarray(rows if graph.is_last else rows.transpose(0, 3, 1, 2))


def _scores(graph: Graph, rows: NDArray[Any]) -> NDArray[Any]:
    """Scores (N, K); a graph of a fixed number of images is given just so many, the last ones filled up."""
    if graph.batch is None:
        found = graph.session.run([graph.output], {graph.input: rows})[0]
        return np.asarray(found, np.float64)
    parts = []
    for start in range(0, len(rows), graph.batch):
        part = rows[start : start + graph.batch]
        filled = np.concatenate([part, *[part[-1:]] * (graph.batch - len(part))])
        parts.append(graph.session.run([graph.output], {graph.input: filled})[0][: len(part)])
    return np.concatenate(parts).astype(np.float64)


def _under_names(said: Answer | Failed, names: tuple[str, ...] | None) -> Answer | Failed:
    if isinstance(said, Failed):
        return said
    return Answer(names=names, probabilities=said.probabilities)


def _described(values: Sequence[Any]) -> str:
    return "; ".join(f"{value.name}: {_written(value.shape)} of {value.type}" for value in values) or "nothing"


def _written(shape: Sequence[Any]) -> str:
    return " x ".join(str(side) if side is not None else "?" for side in shape)
