"""Refuses ONNX files that would make ONNX Runtime read other files. The model's digest does not cover those."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import gettext as _

from .errors import ModelError

# For each message type of onnx.proto, the numbers of the fields whose messages may contain tensors.
_CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def refuse_external_data(graph: bytes) -> None:
    """Raises ModelError if a tensor in the ONNX file ``graph``, at any depth, keeps its values in another file.

    ONNX Runtime would open that file relative to the working folder. This check is stricter than its parser. It also
    refuses what the two could read differently.
    """
    waiting = [("model", memoryview(graph))]
    while waiting:
        kind, message = waiting.pop()
        for field, value in _fields(message):
            if kind == "tensor":
                # Refuses any value but 0. Some readers cut an enum to 32 bits.
                if field == _EXTERNAL_DATA or (field == _DATA_LOCATION and value != 0):
                    raise ModelError(_("it keeps weights in another file, which its SHA-256 does not cover"))
            elif field in _CHILDREN[kind] and isinstance(value, memoryview):
                waiting.append((_CHILDREN[kind][field], value))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yields field numbers and values of a protobuf message, fixed-width values as 0. ModelError if it is malformed."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = (key & 0xFFFF_FFFF) >> 3, key & 7
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _BYTES:
            size, at = _varint(message, at)
            value = message[at : at + size]
            at += size
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:  # a group; onnx.proto has none
            raise ModelError(_("it is not an ONNX file"))
        if at > len(message):
            raise ModelError(_("it is not an ONNX file"))
        yield field, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Reads an integer of seven bits a byte, least significant first. Returns it and the offset of its end."""
    result = 0
    for shift, byte in enumerate(message[at : at + 10]):
        result |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return result, at + shift + 1
    raise ModelError(_("it is not an ONNX file"))
