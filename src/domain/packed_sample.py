"""How samples wait, one after the other, until somebody has time for them."""

from struct import Struct

PACKED_SAMPLE = Struct("=qqq")
"""A sample's series by number, latency in ns, and end in ns since 1970."""
