"""What opsboard exposes to Prometheus: text, OpenMetrics and delimited protobuf."""

from .exposition import Exposition
from .forms import Form, form_of
from .gzip_parts import Part

__all__ = ["Exposition", "Form", "Part", "form_of"]
