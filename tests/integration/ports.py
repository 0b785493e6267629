"""Ports for those who must know theirs before they listen, or listen on it a second time."""

import random
import socket

_FIRST, _LAST = 10_000, 32_000
"""Below those that a system hands out by itself: a connection from there, which somebody opens
meanwhile, would hold the port, and one that is opened again and again finds itself some day."""

_given: set[int] = set()
_dice = random.SystemRandom()


def free_port() -> int:
    """A port on which nobody listens, and that was not given before."""
    while True:
        port = _dice.randrange(_FIRST, _LAST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
