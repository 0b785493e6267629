"""Who sent it: what is looked at of a resource, in either encoding."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ProtobufResource

from ....domain.fitting import fit_text
from ....domain.origin import ENVIRONMENT, MAX_ORIGIN_LENGTH, SERVICE_VERSION, Origin
from ....domain.span import service_of
from ....domain.validation import InvalidInput
from .attributes import JsonKeyValue, json_attributes, protobuf_attributes
from .encoding import Encoding, decode_json, decode_protobuf
from .uniformity import Uniformity

MAX_KNOWN = 1_024
OLD_ENVIRONMENT = "deployment.environment"


class _JsonResource(msgspec.Struct):
    attributes: list[JsonKeyValue] | None = None


_decode_json = msgspec.json.Decoder(_JsonResource | None).decode


def _from_protobuf(raw: bytes) -> dict[str, Any]:
    return protobuf_attributes(decode_protobuf(ProtobufResource, raw).attributes)


def _from_json(raw: bytes) -> dict[str, Any]:
    resource = decode_json(_decode_json, raw)
    return {} if resource is None else json_attributes(resource.attributes)


_ATTRIBUTES: Mapping[Encoding, Callable[[bytes], dict[str, Any]]] = {
    Encoding.PROTOBUF: _from_protobuf,
    Encoding.JSON: _from_json,
}


class Places(NamedTuple):
    """Where the attributes stand that name a series, and what picks them out of all."""

    of_naming: Sequence[int]
    pick: Callable[[Any], tuple[Any, ...]]


class Resource:
    """A service, its version and environment; or what is wrong with it."""

    __slots__ = ("fault", "origin", "places", "series", "service", "uniformity")

    def __init__(self, attributes: Mapping[str, Any], fault: InvalidInput | None = None) -> None:
        """Look at these attributes."""
        self.fault = fault
        self.service = ""
        try:
            self.service = service_of(attributes)
        except InvalidInput as error:
            self.fault = error
        environment = attributes.get(ENVIRONMENT) or attributes.get(OLD_ENVIRONMENT)
        self.origin = Origin(
            self.service,
            fit_text(str(attributes.get(SERVICE_VERSION) or ""), MAX_ORIGIN_LENGTH),
            fit_text(str(environment or ""), MAX_ORIGIN_LENGTH),
        )
        self.series: dict[Hashable, int] = {}
        """The series of its spans, by the bytes of the attributes that named it."""
        self.places: dict[int, Places] = {}
        """Of spans with so many attributes: where those are that name a series."""
        self.uniformity = Uniformity()


class Resources:
    """The resources of one encoding: the same bytes come again and again, and are read once."""

    def __init__(self, encoding: Encoding) -> None:
        """Know none yet."""
        self._attributes = _ATTRIBUTES[encoding]
        self._known: dict[bytes, Resource] = {}

    def of(self, raw: bytes) -> Resource:
        """The resource that these bytes say."""
        found = self._known.get(raw)
        if found is None:
            try:
                found = Resource(self._attributes(raw))
            except InvalidInput as fault:
                found = Resource({}, fault)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[raw] = found
        return found

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._known.values())

    def forget_series(self) -> None:
        """Forget which series their spans had."""
        for resource in self:
            resource.series.clear()
