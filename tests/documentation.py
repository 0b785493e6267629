"""Runs what README.md and docs/ show: each block of a page, in the order of the page.

`python` runs here, with `await` at the top level; `console` and `bash` run in bash, on the
opsboard of this environment; `json` and `yaml` must parse. All blocks of a page share a directory,
and a server on port 8000 is started for the first block that asks for one. A comment before a
block says what else is to be done with it: see `_DIRECTIVES`.
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml  # type: ignore[import-untyped]
from opsboard.entrypoints.cli import command
from sybil import Document, Example, Region, Sybil
from sybil.integration.pytest import SybilItem

from . import patience
from .integration.ports import free_port
from .integration.processes import Process
from .integration.server import OPSBOARD, TOKEN, environment, serving

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])

_BLOCK = re.compile(
    r"^(?:<!-- (?P<directive>[a-z ]+?)(?:: (?P<value>[^\n]*?))? -->\n)?"
    r"```(?P<language>\w*)\n(?P<source>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PORT = re.compile(r"(127\.0\.0\.1:|--port )(80\d\d)\b")
_READY = re.compile(r"http://127\.0\.0\.1:\d+")
_COMMAND = re.compile(r"\bopsboard (?!opsboard)([a-z]+)([^\n<>|&;]*)")
_PLAIN = re.compile(r"""opsboard [\w ./:=,+@%"'-]+\n?""")
"""A command of which a shell only makes words: it can be run by a process that has loaded it."""
_PROMPT = "$ "


class Block(NamedTuple):
    """A fenced block of a page; `value` is what follows the colon of its directive."""

    language: str
    source: str
    directive: str | None
    value: str


def blocks(text: str) -> Iterator[tuple[re.Match[str], Block]]:
    """Every block of a page, and where it stands."""
    for found in _BLOCK.finditer(text):
        language, source, directive, value = found.group("language", "source", "directive", "value")
        yield found, Block(language, source, directive, value or "")


class Reader:
    """Somebody who does what a page says: in one directory, with one server, from top to bottom."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="opsboard-docs-"))
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""
        self._ports: dict[str, str] = {}
        self._servers: dict[str, contextlib.ExitStack] = {}
        self._runner = asyncio.Runner()
        self._before = Path.cwd()
        os.chdir(self.folder)

    def leave(self) -> None:
        """Stop what was started, remove what was made."""
        os.chdir(self._before)
        self._runner.close()
        for port in list(self._servers):
            self._stop(port)
        shutil.rmtree(self.folder)

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(OPSBOARD).parent), os.environ["PATH"]])
        return environment(
            PATH=path,
            OPS_API_TOKEN=TOKEN,
            OPS_PORT=self._port("8000"),
            PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",  # loading them takes longer than the page's tests
        )

    def _port(self, written: str) -> str:
        """The free port that stands in for one of the page."""
        if written not in self._ports:
            self._ports[written] = str(free_port())
        return self._ports[written]

    def _with_ports(self, text: str) -> str:
        if "127.0.0.1:8000" in text and "8000" not in self._servers:
            self._serve()
        return _PORT.sub(lambda found: found[1] + self._port(found[2]), text)

    def _serve(self) -> None:
        """What a page takes for granted that somebody has started."""
        running = self._servers["8000"] = contextlib.ExitStack()
        running.enter_context(serving("", "--port", self._port("8000")))

    def start(self, line: str) -> None:
        """Run a server in the background; one that the page had on the same port is stopped."""
        wanted = re.search(r"(?:--port |--bind 127\.0\.0\.1:)(\d+)", line)
        written = wanted[1] if wanted else "8000"
        self._stop(written)
        process = subprocess.Popen(
            ["bash", "-c", _PORT.sub(lambda found: found[1] + self._port(found[2]), line)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
            start_new_session=True,
        )
        running = self._servers[written] = contextlib.ExitStack()
        running.enter_context(process)
        running.callback(os.killpg, process.pid, signal.SIGKILL)  # bash, and what it runs
        assert process.stdout is not None
        said = []
        for line_said in process.stdout:
            said.append(line_said)
            if _READY.search(line_said):
                return
        raise AssertionError(f"{line}: ended: {''.join(said)}")

    def _stop(self, written: str) -> None:
        self._servers.pop(written, contextlib.ExitStack()).close()

    def run(self, script: str, status: int = 0) -> str:
        """Run a script in bash; what it says, with the ports of the page."""
        script = self._with_ports(script)
        ended, said = (self._words if _PLAIN.fullmatch(script) else self._bash)(script)
        for written, port in self._ports.items():
            said = said.replace(f":{port}", f":{written}")
        assert ended == status, f"{script}\nexit status {ended}\n{said}"
        return said

    def _bash(self, script: str) -> tuple[int, str]:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
            timeout=patience.SECONDS,
            check=False,
        )
        return ended.returncode, ended.stdout

    def _words(self, command: str) -> tuple[int, str]:
        with tempfile.TemporaryFile("w+") as said, Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), said.fileno(), said.fileno())
            process = Process(shlex.split(command), self._environment(), streams)
            ended = process.wait(patience.SECONDS)
            said.seek(0)
            return ended, said.read()

    def evaluate(self, source: str, path: str, line: int) -> None:
        """Run Python as the page has it; what it prints is kept."""
        source = "\n" * line + self._with_ports(source)
        code = compile(
            source, path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            outcome = eval(code, self.namespace)  # noqa: S307
            if inspect.iscoroutine(outcome):
                self._runner.run(outcome)
        self.printed = printed.getvalue()


def _same(expected: str, said: str) -> None:
    """Compare without white space, so that a page may break long lines; `...` stands for any."""
    want, got = ("".join(text.split()) + "\n" for text in (expected, said))
    same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
    assert same, f"expected:\n{expected}\nsaid:\n{said}"


def _dialogue(source: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, and the output that is shown for it."""
    entry: tuple[str, str] | None = None
    for line in source.splitlines(keepends=True):
        if line.startswith(_PROMPT):
            if entry is not None:
                yield entry
            entry = (line.removeprefix(_PROMPT), "")
        else:
            assert entry is not None, f"a console block starts with {_PROMPT!r}"
            continued = entry[0].endswith("\\\n") and not entry[1]
            entry = (entry[0] + line, "") if continued else (entry[0], entry[1] + line)
    if entry is not None:
        yield entry


def _console(reader: Reader, source: str, status: int = 0) -> None:
    for typed, shown in _dialogue(source):
        said = reader.run(typed, status)
        if shown:
            _same(shown, said)


_LANGUAGES: dict[str, Callable[[Reader, str], Any]] = {
    "console": _console,
    "bash": lambda reader, source: reader.run(source),
    "json": lambda _, source: json.loads(source),
    "yaml": lambda _, source: yaml.safe_load(source),
}


def _file(reader: Reader, block: Block) -> None:
    assert Path(block.value).name == block.value
    (reader.folder / block.value).write_text(reader._with_ports(block.source))


def _background(reader: Reader, block: Block) -> None:
    reader.start(block.source.removeprefix(_PROMPT).strip())


def _exits(reader: Reader, block: Block) -> None:
    # A page gives something a second; a machine that is busy elsewhere needs more.
    *tries, last = dict.fromkeys(
        block.source.replace("--max-time 1 ", f"--max-time {seconds} ") for seconds in (1, 10, 100)
    )
    for source in tries:
        with contextlib.suppress(AssertionError):
            _console(reader, source, int(block.value))
            return
    _console(reader, last, int(block.value))


def _eventually(reader: Reader, block: Block) -> None:
    deadline = time.monotonic() + patience.SECONDS
    while True:
        try:
            return _console(reader, block.source)
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def _printed(reader: Reader, block: Block) -> None:
    _same(block.source, reader.printed)


def _not_run(_: Reader, block: Block) -> None:
    """Without being run, its commands must be such as there are."""
    assert block.value, "a block that is not run needs a reason"
    if block.language == "yaml":
        yaml.safe_load(block.source)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake (?:[A-Z]+=\S+ )*([a-z]+)", block.source):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name, rest in _COMMAND.findall(block.source.replace("\\\n", " ")):
        words = shlex.split(rest, comments=True)
        command.commands[name].make_context(name, words)


_DIRECTIVES: dict[str, Callable[[Reader, Block], None]] = {
    "file": _file,  # `file: shop.py`: the block is that file
    "background": _background,  # its command is a server; go on when it says its address
    "exits": _exits,  # `exits: 1`: the exit status of its commands
    "eventually": _eventually,  # what it shows may take its time to come
    "printed": _printed,  # what the Python block before it prints
    "not run": _not_run,  # `not run: reason`
}


def _evaluate(example: Example) -> None:
    block: Block = example.parsed
    reader: Reader = example.namespace["reader"]
    if block.directive is not None:
        _DIRECTIVES[block.directive](reader, block)
    elif block.language == "python":
        reader.evaluate(block.source, example.path, example.line)
    else:
        assert block.language in _LANGUAGES, f"{block.language!r} can not be run: say why not"
        _LANGUAGES[block.language](reader, block.source)


def _parse(document: Document) -> Iterator[Region]:
    for found, block in blocks(document.text):
        # The line of the fence: what stands before it is not Python's.
        start = document.text.index("```", found.start())
        yield Region(start, found.end(), parsed=block, evaluator=_evaluate)


def _arrive(namespace: dict[str, Any]) -> None:
    namespace["reader"] = Reader()


def _leave(namespace: dict[str, Any]) -> None:
    namespace.pop("reader").leave()


DOCUMENTS = Sybil(
    parsers=[_parse], path=str(ROOT), patterns=["*.md"], setup=_arrive, teardown=_leave
)


def in_page_order(items: list[pytest.Item]) -> None:
    """Bring the blocks of each page together, in their order, where its first one was shuffled."""
    first: dict[Any, int] = {}
    for place, item in enumerate(items):
        first.setdefault(_page(item), place)
    items.sort(key=lambda item: (first[_page(item)], _start(item)))


def _page(item: pytest.Item) -> Any:
    return item.parent if isinstance(item, SybilItem) else item


def _start(item: pytest.Item) -> int:
    return item.example.start if isinstance(item, SybilItem) else 0
