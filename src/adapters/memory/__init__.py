"""A store in this process' memory: for tests, scripts, and trying things out."""

from .store import MemoryStore

__all__ = ["MemoryStore"]
