"""The formats in which metrics are exposed, and how a client asks for one."""

from enum import Enum

from ..negotiation import preferred
from .family import Encoder
from .protobuf import Protobuf
from .text import Text

JSON = "application/json"
_PROTOBUF = "application/vnd.google.protobuf"


class Form(Enum):
    """A format: the media type that asks for it, and the content type that it has."""

    OPENMETRICS = (
        "application/openmetrics-text",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )
    TEXT = ("text/plain", "text/plain; version=0.0.4; charset=utf-8")
    PROTOBUF = (
        _PROTOBUF,
        f"{_PROTOBUF}; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    )

    @property
    def media_type(self) -> str:
        """What a client's `Accept` names."""
        return self.value[0]

    @property
    def content_type(self) -> str:
        """What the answer says that it is."""
        return self.value[1]

    def encoder(self) -> Encoder:
        """A new encoder."""
        if self is Form.PROTOBUF:
            return Protobuf()
        return Text(openmetrics=self is Form.OPENMETRICS)


_REQUIRED = {_PROTOBUF: {"proto": "io.prometheus.client.MetricFamily", "encoding": "delimited"}}


def form_of(accept: str) -> Form | None:
    """The format that `Accept` prefers to JSON; None where it does not."""
    forms = {form.media_type: form for form in Form}
    return forms.get(preferred(accept, [JSON, *forms], _REQUIRED))
