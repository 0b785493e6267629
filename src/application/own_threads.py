"""The threads in which opsboard works for an app: what they log must not become events again."""

import threading

_here = threading.local()


def mark_own_thread() -> None:
    """Say that this thread is opsboard's own."""
    _here.own = True


def is_own_thread() -> bool:
    """Whether this thread is opsboard's own."""
    return getattr(_here, "own", False)
