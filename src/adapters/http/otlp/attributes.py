"""Attributes and their values: OTLP's `KeyValue` and `AnyValue`, as Python values."""

from collections.abc import Iterable
from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from ....domain.event import MAX_META_DEPTH
from ....domain.validation import InvalidInput
from .encoding import decode_json, decode_protobuf

TOO_DEEP = "…"


class JsonValue(msgspec.Struct, rename="camel"):
    """`AnyValue` in JSON: 64-bit numbers are strings or numbers, bytes are base64."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: "JsonArray | None" = None
    kvlist_value: "JsonMembers | None" = None
    bytes_value: str | None = None


class JsonArray(msgspec.Struct):
    """`ArrayValue` in JSON."""

    values: list[JsonValue] | None = None


class JsonKeyValue(msgspec.Struct):
    """`KeyValue` in JSON."""

    key: str = ""
    value: JsonValue | None = None


class JsonMembers(msgspec.Struct):
    """`KeyValueList` in JSON."""

    values: list[JsonKeyValue] | None = None


_decode_json = msgspec.json.Decoder(JsonKeyValue).decode


def protobuf_attribute(raw: bytes) -> tuple[str, Any]:
    """Name and value of an attribute. Raises `InvalidInput`."""
    found: KeyValue = decode_protobuf(KeyValue, raw)
    return found.key, protobuf_value(found.value)


def protobuf_attributes(found: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by name; of those with one name the last."""
    return {each.key: protobuf_value(each.value) for each in found}


def protobuf_value(value: AnyValue, depth: int = 0) -> Any:
    """A value; bytes as hexadecimal text, and what lies too deep as `…`."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    found = getattr(value, kind)
    if kind == "bytes_value":
        return found.hex()
    if kind not in {"array_value", "kvlist_value"}:
        return found
    if depth >= MAX_META_DEPTH:
        return TOO_DEEP
    if kind == "array_value":
        return [protobuf_value(each, depth + 1) for each in found.values]
    return {each.key: protobuf_value(each.value, depth + 1) for each in found.values}


def json_attribute(raw: bytes) -> tuple[str, Any]:
    """Name and value of an attribute. Raises `InvalidInput`."""
    found = decode_json(_decode_json, raw)
    return found.key, json_value(found.value)


def json_attributes(found: Iterable[JsonKeyValue] | None) -> dict[str, Any]:
    """Attributes by name; of those with one name the last. Raises `InvalidInput`."""
    return {each.key: json_value(each.value) for each in found or ()}


def json_value(value: JsonValue | None, depth: int = 0) -> Any:
    """A value; bytes stay base64. Raises `InvalidInput` for a number that is none."""
    if value is None:
        return None
    if value.array_value is None and value.kvlist_value is None:
        return _json_scalar(value)
    if depth >= MAX_META_DEPTH:
        return TOO_DEEP
    if value.array_value is not None:
        return [json_value(each, depth + 1) for each in value.array_value.values or ()]
    members = value.kvlist_value.values if value.kvlist_value else None
    return {each.key: json_value(each.value, depth + 1) for each in members or ()}


def _json_scalar(value: JsonValue) -> Any:
    if value.int_value is not None:
        return as_int(value.int_value, "intValue")
    if isinstance(value.double_value, str):
        try:
            return float(value.double_value)
        except ValueError:
            raise InvalidInput.of("", "has a doubleValue that is no number") from None
    scalars = (value.string_value, value.bool_value, value.double_value, value.bytes_value)
    return next((each for each in scalars if each is not None), None)


def as_int(value: int | str | None, name: str) -> int:
    """A 64-bit number, which JSON writes as text or as a number. Raises `InvalidInput`."""
    try:
        number = int(value or 0)
    except ValueError:
        raise InvalidInput.of("", f"has a value of {name} that is no whole number") from None
    if not -(2**63) <= number < 2**64:
        raise InvalidInput.of("", f"has a value of {name} that is over 64 bits")
    return number
