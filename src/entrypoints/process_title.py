"""What the list of processes shows of this one: no token that was given as a flag."""

import ctypes
import os
import sys
from pathlib import Path

TOKEN_FLAGS = (b"--api-token", b"--read-token", b"--token")
HIDDEN = b"*"

_ARG_START, _ARG_END = 45, 46
"""Fields of /proc/self/stat behind the name of the program (proc(5): 48 and 49 of all)."""


def without_tokens(arguments: bytes) -> bytes:
    """A command line, NUL after each argument, with every token written over; as long as ever."""
    hidden: list[bytes] = []
    is_token = False
    for argument in arguments.split(b"\0"):
        flag, given, value = argument.partition(b"=")
        if is_token:
            hidden.append(HIDDEN * len(argument))
        elif given and flag in TOKEN_FLAGS:
            hidden.append(flag + given + HIDDEN * len(value))
        else:
            hidden.append(argument)
        is_token = not is_token and argument in TOKEN_FLAGS
    return b"\0".join(hidden)


def hide_tokens() -> bool:
    """Write over the tokens among this process' arguments; whether none can be seen any more.

    Python has copied them by now. Only Linux says where they lie: elsewhere a token stays in sight.
    """
    if not any(os.fsencode(argument).partition(b"=")[0] in TOKEN_FLAGS for argument in sys.argv):
        return True
    try:
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    except (OSError, ValueError, IndexError):
        return False
    if not 0 < start < end:
        return False
    shown = ctypes.string_at(start, end - start)
    ctypes.memmove(start, without_tokens(shown), end - start)
    return True
