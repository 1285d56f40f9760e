"""ONNX files of a few hundred bytes, written without a library: the field numbers are those of the format's schema."""

from collections.abc import Sequence
from pathlib import Path

FLOAT, BYTES = 1, 2  # element types of the format

Shape = Sequence[int | str]


def save_means(
    path: Path, shape: Shape = ("n", 3, 8, 8), out: int | str = 3, is_raw: bool = False, end: str = "Softmax"
) -> Path:
    """A graph whose score of a class is the mean of a colour, ten times over; `end` is the operator after it."""
    axes = (1, 2) if shape[3] == 3 else (2, 3)
    cast = [node("Cast", ["x"], ["f"], integer("to", FLOAT))] if is_raw else [node("Identity", ["x"], ["f"])]
    nodes = [
        *cast,
        node("ReduceMean", ["f"], ["m"], integers("axes", axes), integer("keepdims", 0)),
        node("Add", ["m", "m"], ["d"]),
        node(end, ["d"], ["y"]),
    ]
    graph = [field(1, each) for each in nodes]
    graph += [field(2, b"means"), field(11, value("x", BYTES if is_raw else FLOAT, shape))]
    graph += [field(12, value("y", FLOAT, (shape[0], out)))]
    model = number(1, 8) + field(7, b"".join(graph)) + field(8, number(2, 13))
    path.write_bytes(model)
    return path


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    """An operator."""
    ends = [field(1, name.encode()) for name in inputs] + [field(2, name.encode()) for name in outputs]
    return b"".join(ends) + field(4, kind.encode()) + b"".join(field(5, each) for each in attributes)


def integer(name: str, value: int) -> bytes:
    """An attribute of an operator."""
    return field(1, name.encode()) + number(3, value) + number(20, 2)


def integers(name: str, values: Sequence[int]) -> bytes:
    """An attribute that is a list."""
    return field(1, name.encode()) + b"".join(number(8, value) for value in values) + number(20, 7)


def value(name: str, kind: int, shape: Shape) -> bytes:
    """An input or output: its name, element type and sides, which are numbers or names."""
    sides = [field(1, number(1, side) if isinstance(side, int) else field(2, side.encode())) for side in shape]
    tensor = number(1, kind) + field(2, b"".join(sides))
    return field(1, name.encode()) + field(2, field(1, tensor))


def field(at: int, data: bytes) -> bytes:
    """Bytes behind their length, as field number `at`."""
    return varint(at << 3 | 2) + varint(len(data)) + data


def number(at: int, value: int) -> bytes:
    """A whole number as field number `at`."""
    return varint(at << 3) + varint(value)


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
