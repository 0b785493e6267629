"""A disk that loses power: what a process wrote is read from strace's log, and cut off anywhere.

What was synced is there. Of all else any part may be: each sector by itself, each new name or
none. It is harsher than a real disk, and needs none.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,link,unlink,rename"

_LINE = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_BEGUN = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*) <unfinished \.\.\.>")
_ENDED = re.compile(r"(?P<thread>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<arguments>.*)\) += \d")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"(?P<number>\d+)<(?P<path>(?:\\x[0-9a-f]{2})*)>")


@dataclass
class Call:
    """A system call that succeeded: its name, its arguments, when it began and when it ended."""

    name: str
    arguments: str
    begun: int
    ended: int

    def texts(self) -> list[bytes]:
        return [_bytes(text) for text in _HEX.findall(self.arguments)]

    @property
    def descriptor(self) -> tuple[int, bytes]:
        match = _DESCRIPTOR.match(self.arguments)
        assert match is not None, self.arguments[:200]
        return int(match["number"]), _bytes(match["path"])

    @property
    def last_number(self) -> int:
        return int(self.arguments.rpartition(",")[2])


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def traced(command: Sequence[str], log: Path, cwd: Path) -> list[Call]:
    """Run a command to its end; every call that changed a file, or told somebody something."""
    options = ["-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(log)]
    subprocess.run(["strace", *options, *command], cwd=cwd, check=True, capture_output=True)
    calls: list[Call] = []
    begun: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(log.read_text().splitlines()):
        if match := _BEGUN.match(line):
            begun[match["thread"]] = (at, match["arguments"])
        elif match := _ENDED.match(line):
            since, arguments = begun.pop(match["thread"])
            calls.append(Call(match["call"], arguments + match["arguments"], since, at))
        elif (match := _LINE.match(line)) and int(match["result"]) >= 0:
            calls.append(Call(match["call"], match["arguments"], at, at))
    return calls


@dataclass
class Change:
    """Bytes at an offset, or a new length where there are none."""

    offset: int
    content: bytes | None
    ended: int

    def sectors(self) -> Iterator["Change"]:
        """The parts of which each may reach the disk by itself."""
        if self.content is None:
            yield self
            return
        start = 0
        while start < len(self.content):
            end = min(len(self.content), start + SECTOR - (self.offset + start) % SECTOR)
            yield Change(self.offset + start, self.content[start:end], self.ended)
            start = end

    def apply(self, image: bytearray) -> None:
        if self.content is None:
            del image[self.offset :]
        else:
            image.extend(bytes(max(0, self.offset - len(image))))
            image[self.offset : self.offset + len(self.content)] = self.content


@dataclass
class File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def sync(self, begun: int) -> None:
        for change in self.pending:
            if change.ended < begun:
                change.apply(self.durable)
        self.pending = [change for change in self.pending if change.ended >= begun]

    def after_the_cut(self, chance: random.Random) -> bytes:
        image = bytearray(self.durable)
        kept = chance.choice((0.0, 0.5, 0.9, 1.0))
        for change in self.pending:
            for sector in change.sectors():
                if chance.random() < kept:
                    sector.apply(image)
        return bytes(image)


class Disk:
    """The files of one folder, as the calls leave them one after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = bytes(folder)
        self._names: dict[bytes, File] = {}
        self._durable_names: dict[bytes, File] = {}
        self.told: list[str] = []
        """The lines that the process said by now."""

    def after(self, call: Call) -> None:
        match call.name:
            case "openat" | "unlink" | "link" | "rename":
                self._name(call)
            case "pwrite64" | "ftruncate":
                self._change(call)
            case "fsync" | "fdatasync":
                self._sync(call)
            case "write" if call.descriptor[0] == 1:
                self.told += call.texts()[-1].decode().splitlines()

    def _name(self, call: Call) -> None:
        paths = [path for path in call.texts() if path.startswith(self._folder + b"/")]
        if not paths:
            return
        match call.name:
            case "openat" if "O_CREAT" in call.arguments and paths[0] not in self._names:
                self._names[paths[0]] = File()
            case "unlink":
                self._names.pop(paths[0], None)
            case "link":
                self._names[paths[1]] = self._names[paths[0]]
            case "rename":
                self._names[paths[1]] = self._names.pop(paths[0])

    def _change(self, call: Call) -> None:
        file = self._names.get(call.descriptor[1])
        if file is None:
            return
        if call.name == "ftruncate":
            file.pending.append(Change(call.last_number, None, call.ended))
        else:
            file.pending.append(Change(call.last_number, call.texts()[0], call.ended))

    def _sync(self, call: Call) -> None:
        path = call.descriptor[1]
        if path == self._folder:
            self._durable_names = dict(self._names)
        elif path in self._names:
            self._names[path].sync(call.begun)

    def cut(self, chance: random.Random, into: Path) -> set[str]:
        """Lay out what a disk may hold that lost its power now; the names of the files."""
        found: set[str] = set()
        names = self._names if chance.random() < 0.5 else self._durable_names
        for name, file in names.items():
            if not name.endswith(b"-shm"):
                path = into / Path(name.decode()).name
                path.write_bytes(file.after_the_cut(chance))
                found.add(path.name)
        return found
