"""One line of a stack trace as a frame, in the notation of whichever language wrote it."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

PLACE_SEGMENTS = 2
"""Of a path, so many of its last parts are kept: where a release is unpacked does not matter."""

_FOREIGN_PATHS = (
    "/site-packages/", "/dist-packages/", "/node_modules/", "/vendor/", "/gems/", "/pkg/mod/",
    "/rubygems/", "/lib/ruby/", "/webpack/", "/.cargo/registry/",
)  # fmt: skip
_FOREIGN_BEGINNINGS = (
    "<", "node:", "internal/", "native", "deno:", "ext:", "bun:", "[internal", "index ",
    "webpack/", "node_modules/", "vendor/", "chrome-extension:", "moz-extension:",
)  # fmt: skip
_PYTHON_LIBRARY = re.compile(r"/lib(?:64)?/python\d|/python\d*/lib/|\.zip/", re.IGNORECASE)

_FOREIGN_PACKAGES = (
    "java.", "javax.", "jdk.", "sun.", "com.sun.", "jakarta.", "kotlin.", "kotlinx.", "scala.",
    "clojure.", "groovy.", "org.codehaus.groovy.", "org.springframework.", "org.apache.",
    "org.hibernate.", "org.eclipse.", "org.jboss.", "org.junit.", "org.aopalliance.",
    "org.postgresql.", "com.mysql.", "com.zaxxer.", "com.fasterxml.", "com.google.common.",
    "com.google.inject.", "io.netty.", "io.undertow.", "io.quarkus.", "io.vertx.", "io.micronaut.",
    "io.micrometer.", "io.grpc.", "io.opentelemetry.", "io.reactivex.", "reactor.", "rx.",
    "akka.", "okhttp3.", "retrofit2.", "android.", "androidx.", "com.android.", "dalvik.",
)  # fmt: skip
_GENERATED_CLASS = re.compile(r"\$\$(?!Lambda)|\$Proxy\d|GeneratedMethodAccessor|CGLIB|ByteBuddy")
_JAVA_FILES = (".java", ".kt", ".scala", ".groovy", ".clj")
_JAVA_PLACES = ("Native Method", "Unknown Source", "<generated>", "SourceFile", "Unknown")

_FOREIGN_NAMESPACES = (
    "System.", "Microsoft.", "Interop.", "Internal.", "Npgsql.", "Newtonsoft.", "Grpc.", "MySql.",
    "Oracle.", "MassTransit.", "MediatR.", "Polly.", "Serilog.", "OpenTelemetry.", "lambda_method",
)  # fmt: skip
_COMPILED_METHOD = re.compile(r"<([^<>]+)>")
_ARITY = re.compile(r"`\d+|\[[^\]]*\]")

_GO_LIBRARY = frozenset((
    "archive", "bufio", "builtin", "bytes", "cmp", "compress", "container", "context", "crypto",
    "database", "debug", "embed", "encoding", "errors", "expvar", "flag", "fmt", "go", "hash",
    "html", "image", "index", "internal", "io", "iter", "log", "maps", "math", "mime", "net",
    "os", "path", "plugin", "reflect", "regexp", "runtime", "slices", "sort", "strconv",
    "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode", "unique",
    "unsafe", "vendor", "weak",
))  # fmt: skip
_GO_CLOSURE = re.compile(r"(?:\.func\d+|\.gowrap\d+|\.\d+|-fm)+$")

_LINE_AND_COLUMN = re.compile(r":\d+(?::\d+)?$")
_HEX = re.compile(r"(?<![0-9A-Za-z])(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{7,}(?![0-9A-Za-z])")
_LONG_NUMBER = re.compile(r"\d{5,}")
_BUNDLE_HASH = re.compile(r"-(?=[\w-]*[0-9A-Z])[\w-]{8}(?=\.[cm]?js$)")
_JS_RECEIVERS = ("Object.", "Module.", "Function.", "process.", "global.", "exports.", "Timeout.")
_JS_WRAPPERS = frozenset((
    "__awaiter", "fulfilled", "rejected", "step", "adopt", "asyncGeneratorStep", "_next",
    "_throw", "Generator.next", "Generator.throw", "Promise.all", "Promise.then",
))  # fmt: skip
_PYTHON_INLINED = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>"})
_RUBY_BLOCK = re.compile(r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+")


class Frame(NamedTuple):
    """A function in a file, class or package; `own` where that is the application's own code."""

    place: str
    function: str
    own: bool


Notation: TypeAlias = Callable[[str, str], Frame | None]


def python_frame(line: str, _: str) -> Frame | None:
    """`File "/app/shop/cart.py", line 12, in load`."""
    if not line.startswith('File "'):
        return None
    path, separator, rest = line[6:].rpartition('", line ')
    if not separator:
        return None
    function = rest.partition(", in ")[2]
    if function in _PYTHON_INLINED:
        return None
    own = _is_own_path(path) and not _PYTHON_LIBRARY.search(_slashed(path))
    return Frame(_place(path), function, own)


def at_frame(line: str, _: str) -> Frame | None:
    """`at ...`, as the JVM, .NET and V8 write it."""
    if not line.startswith("at "):
        return None
    text = line[3:].removesuffix(" {").removeprefix("async ").removeprefix("new ")
    body, bracket, _jar = text.partition(") ~[") if ") ~[" in text else text.partition(") [")
    text = f"{body})" if bracket else text
    if text.endswith(")"):
        name, _, place = text[:-1].rpartition("(")
        if place.partition(":")[0].endswith(_JAVA_FILES) or place.startswith(_JAVA_PLACES):
            return _java_frame(name.strip())
        if name.endswith(" "):
            return _js_frame(name.strip(), place)
    elif _LINE_AND_COLUMN.search(text) and ":line " not in text:
        return _js_frame("", text)
    return _dotnet_frame(text) if "(" in text else None


def gecko_frame(line: str, _: str) -> Frame | None:
    """`load@https://shop.example/app.js:10:5`, as Firefox and Safari write it."""
    name, separator, place = line.partition("@")
    if not separator or not _LINE_AND_COLUMN.search(place) or "/" not in place:
        return None
    return _js_frame(name.removeprefix("async*"), place)


def go_frame(line: str, before: str) -> Frame | None:
    """`/app/cart.go:12 +0x1d`, where the line before names the function."""
    path, separator, rest = line.partition(".go:")
    if not separator or not rest[:1].isdigit() or before.startswith("created by "):
        return None
    name = before.strip()
    if name.endswith(")"):
        name = name.rpartition("(")[0]
    name = _GO_CLOSURE.sub("", name.replace("[...]", ""))
    if not name or " " in name:
        return None
    package = name.partition("/")[0] if "/" in name else name.partition(".")[0]
    own = _is_own_path(path) and "@v" not in path and package not in _GO_LIBRARY
    return Frame(_place(f"{path}.go"), name, own and name != "panic")


def ruby_frame(line: str, _: str) -> Frame | None:
    """`/app/cart.rb:12:in 'Cart#load'`, in the quotes of any version."""
    path, separator, name = line.removeprefix("from ").partition(":in ")
    if not separator or not _LINE_AND_COLUMN.search(path):
        return None
    name = _RUBY_BLOCK.sub("", name[1:].partition("'")[0])
    path = _LINE_AND_COLUMN.sub("", path)
    return Frame(_place(path), name.rpartition("#")[2].rpartition(".")[2], _is_own_path(path))


def php_frame(line: str, _: str) -> Frame | None:
    r"""`#0 /app/src/Cart.php(12): App\Cart->load(7)`."""
    number, _, rest = line.partition(" ")
    if not number.startswith("#") or not number[1:].isdigit():
        return None
    path, separator, call = rest.partition("): ")
    if not separator:
        path, separator, call = rest.partition(": ")
    path = path.rpartition("(")[0] or path
    name = call.partition("(")[0].partition(":/")[0]
    return Frame(_place(path), name, _is_own_path(path)) if separator else None


NOTATIONS: tuple[Notation, ...] = (
    python_frame, at_frame, go_frame, php_frame, ruby_frame, gecko_frame,
)  # fmt: skip


def _java_frame(name: str) -> Frame | None:
    name = name.rpartition("/")[2]
    if "$$Lambda" in name:
        return None
    class_, _, method = name.rpartition(".")
    own = not class_.startswith(_FOREIGN_PACKAGES) and not _GENERATED_CLASS.search(name)
    if method.startswith("lambda$"):
        method = method.split("$")[1]
    # The numbers of anonymous classes change with whatever is added above them.
    class_ = re.sub(r"\$\d+", "$", class_)
    return Frame(class_, method, own and bool(class_))


def _dotnet_frame(text: str) -> Frame | None:
    name = _ARITY.sub("", text.partition("(")[0])
    class_, _, method = name.rpartition(".")
    compiled = _COMPILED_METHOD.search(name)
    if compiled is not None:
        class_, method = name[: name.index("<")].rstrip(".+"), compiled[1]
    own = not name.startswith(_FOREIGN_NAMESPACES)
    return Frame(class_, method, own) if class_ else None


def _js_frame(name: str, place: str) -> Frame | None:
    path = _LINE_AND_COLUMN.sub("", place).partition("?")[0]
    name = name.partition(" [as ")[0].removeprefix("async ").removeprefix("new ")
    if name in _JS_WRAPPERS:
        return None
    for receiver in _JS_RECEIVERS:
        name = name.removeprefix(receiver)
    own = _is_own_path(path) and "/" in _slashed(path)
    return Frame(_place(path), "" if name == "<anonymous>" else name, own)


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


@lru_cache(maxsize=1_024)
def _is_own_path(path: str) -> bool:
    path = _slashed(path)
    return not path.startswith(_FOREIGN_BEGINNINGS) and not any(
        part in path for part in _FOREIGN_PATHS
    )


@lru_cache(maxsize=1_024)
def _place(path: str) -> str:
    """The last parts of a path, without what changes with every build."""
    end = "/".join(_slashed(path).rsplit("/", PLACE_SEGMENTS)[-PLACE_SEGMENTS:])
    end = _LONG_NUMBER.sub("#", _HEX.sub("#", end))
    return _BUNDLE_HASH.sub("-#", end)
