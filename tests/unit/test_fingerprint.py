"""Stack traces of seven languages: which frames are found, and which of them count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.fingerprint import LENGTH, fingerprint, masked
from opsboard.domain.stack_trace import parse_trace

PYTHON = """Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/starlette/routing.py", line 73, in app
    response = await f(request)
  File "/app/shop/cart.py", line 30, in show
    return await load(id)
  File "/app/shop/db.py", line 12, in load
    return rows[0]
           ~~~~^^^
IndexError: list index out of range
"""
WRAPPED = f"""{PYTHON}
The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop/errors.py", line 9, in wrap
    raise ShopError(id) from error
shop.ShopError: 7
"""
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 1, in main
  |     async with TaskGroup() as tasks:
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs.py", line 3, in one
    |     1 / 0
    | ZeroDivisionError: division by zero
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs.py", line 9, in two
    |     {}["a"]
    | KeyError: 'a'
    +------------------------------------
"""
JAVA = """org.springframework.web.util.NestedServletException: Request processing failed
\tat org.springframework.web.servlet.FrameworkServlet.doGet(FrameworkServlet.java:1014) ~[x.jar:5]
\tat com.acme.shop.Cart$$EnhancerBySpringCGLIB$$1a2b3c.show(<generated>)
\tat com.acme.shop.Filter$1.doFilter(Filter.java:12)
\tat java.base/java.lang.Thread.run(Thread.java:829)
\tSuppressed: java.io.IOException: closed
\t\tat com.acme.shop.Pool.close(Pool.java:3)
Caused by: java.lang.IllegalStateException: no cart 12
\tat com.acme.shop.CartService.lambda$load$3(CartService.java:44) ~[classes/:na]
\tat com.acme.shop.CartRepository.find(CartRepository.kt:40)
\t... 50 more
"""
NODE = """Error: failed
    at Cart.load (file:///app/src/cart.js:10:5)
    at async /app/src/index.js:3:1
    at async Promise.all (index 0)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at Layer.handle [as handle_request] (/app/node_modules/express/lib/router/layer.js:95:5) {
  [cause]: TypeError: Cannot read properties of undefined (reading 'x')
      at Object.<anonymous> (/app/src/db.js:1:2)
      at new Pool (/app/src/db.js:4:2)
}"""
GO = """goroutine 19 [running]:
runtime/debug.Stack()
\t/usr/local/go/src/runtime/debug/stack.go:24 +0x65
github.com/acme/shop/mw.Recover.func1.1()
\t/app/mw/recover.go:12 +0x50
panic({0x6a1b20?, 0x7a4c30?})
\t/usr/local/go/src/runtime/panic.go:770 +0x132
github.com/acme/shop/cart.(*Service).Load(0xc0000b4000, {0x7, 0x0})
\t/app/cart/service.go:33 +0x1d
main.handler.func2(...)
\t/app/main.go:20
net/http.HandlerFunc.ServeHTTP(0x0?, {0x7, 0x0}, 0x0?)
\t/usr/local/go/src/net/http/server.go:2166 +0x29
github.com/gin-gonic/gin.(*Context).Next(0xc0)
\t/root/go/pkg/mod/github.com/gin-gonic/gin@v1.9.1/context.go:174 +0x2b
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3285 +0x4b4
"""
DOTNET = """System.InvalidOperationException: outer
 ---> System.NullReferenceException: Object reference not set
   at Acme.Shop.CartService.<LoadAsync>d__12.MoveNext() in /src/Shop/CartService.cs:line 33
--- End of stack trace from previous location ---
   at System.Runtime.CompilerServices.TaskAwaiter.ThrowForNonSuccess(Task task)
   at Acme.Shop.Repo`1.<>c__DisplayClass5_0.<<Get>b__0>d.MoveNext()
   --- End of inner exception stack trace ---
   at Acme.Shop.Controllers.CartController.Get(Int32 id) in C:\\src\\Shop\\CartController.cs:line 12
   at Microsoft.AspNetCore.Mvc.Infrastructure.Invoker.Next(State& next)
"""
RUBY = """/app/lib/cart.rb:12:in `block (2 levels) in load': no cart 'x' (RuntimeError)
\tfrom /usr/local/bundle/gems/rack-2.2/lib/rack.rb:3:in 'Rack::Builder#call'
\tfrom /app/config.ru:3:in 'Object#<main>'
"""
PHP = """PDOException: SQLSTATE in /app/src/Db.php:12
Stack trace:
#0 /app/src/Db.php(12): PDO->query('select 1')
#1 /app/src/Cart.php(44): App\\Db->rows(Array)
#2 {main}

Next App\\CartError: no cart in /app/src/Cart.php:50
Stack trace:
#0 /app/vendor/laravel/pipeline.php(1): App\\Cart->load(7)
#1 /app/public/index.php(3): App\\{closure}(Object(Request))
#2 [internal function]: array_map()
#3 {main}
  thrown in /app/src/Cart.php on line 50"""
FIREFOX = """load@https://shop.example/assets/index-Bx3z_a1Q.js:10:5
async*@https://shop.example/app.js?v=12:1:1
"""

OWN = {
    "python": (PYTHON, [["shop/db.py load", "shop/cart.py show"]]),
    "wrapped": (
        WRAPPED,
        [["shop/errors.py wrap"], ["shop/db.py load", "shop/cart.py show"]],
    ),
    "group": (GROUP, [["app/main.py main"], ["app/jobs.py one"]]),
    "java": (
        JAVA,
        [
            ["com.acme.shop.Filter$ doFilter"],
            ["com.acme.shop.CartService load", "com.acme.shop.CartRepository find"],
        ],
    ),
    "node": (
        NODE,
        [["src/cart.js Cart.load", "src/index.js "], ["src/db.js ", "src/db.js Pool"]],
    ),
    "go": (
        GO,
        [
            [
                "cart/service.go github.com/acme/shop/cart.(*Service).Load",
                "app/main.go main.handler",
            ]
        ],
    ),
    "dotnet": (
        DOTNET,
        [
            ["Acme.Shop.Controllers.CartController Get"],
            ["Acme.Shop.CartService LoadAsync", "Acme.Shop.Repo Get"],
        ],
    ),
    "ruby": (RUBY, [["lib/cart.rb load", "app/config.ru <main>"]]),
    "php": (
        PHP,
        [
            ["public/index.php App\\{closure}"],
            ["src/Db.php PDO->query", "src/Cart.php App\\Db->rows"],
        ],
    ),
    "firefox": (FIREFOX, [["assets/index-#.js load", "shop.example/app.js "]]),
}


def named(trace: str, type: str = "Error", message: str = "", service: str = "shop") -> str:
    return fingerprint(type, message, trace, service)


@pytest.mark.parametrize(("trace", "own"), OWN.values(), ids=OWN)
def test_the_frames_of_ones_own_code_are_found(trace: str, own: list[list[str]]) -> None:
    found = [
        [f"{frame.place} {frame.function}" for frame in raised.frames if frame.own]
        for raised in parse_trace(trace)
    ]
    assert found == own


def test_causes_have_their_types() -> None:
    for trace, types in (
        (WRAPPED, ["shop.ShopError", "IndexError"]),
        (GROUP, ["ExceptionGroup", "ZeroDivisionError"]),
        (JAVA, ["", "java.lang.IllegalStateException"]),
        (NODE, ["", "TypeError"]),
        (DOTNET, ["", "System.NullReferenceException"]),
    ):
        assert [raised.type for raised in parse_trace(trace)] == types


@pytest.mark.parametrize("trace", [trace for trace, _ in OWN.values()], ids=OWN)
def test_lines_messages_and_services_change_nothing(trace: str) -> None:
    later = trace
    for digit, other in (
        ("12", "344"),
        (":10:", ":99:"),
        ("line 30", "line 1"),
        ("(44)", "(5)"),
        ("line 9", "line 77"),
    ):
        later = later.replace(digit, other)
    assert later != trace
    assert named(trace, message="cart 7", service="worker") == named(later, message="cart 8")
    assert named(trace, "TypeError") != named(trace, "ValueError")


def test_what_is_not_ones_own_changes_nothing() -> None:
    other = PYTHON.replace("starlette/routing.py", "fastapi/other.py").replace("in app", "in run")
    assert named(other) == named(PYTHON)
    assert named(PYTHON.replace("in load", "in save")) != named(PYTHON)


def test_where_it_was_unpacked_and_built_changes_nothing() -> None:
    assert named(PYTHON.replace("/app/", "/srv/releases/20260131/")) == named(PYTHON)
    assert named(PYTHON.replace("/app/", "C:\\code\\")) == named(PYTHON)
    assert named(FIREFOX.replace("Bx3z_a1Q", "Zz90_kLm")) == named(FIREFOX)
    assert named(JAVA.replace("Filter$1", "Filter$4")) == named(JAVA)


def test_a_trace_of_nothing_but_libraries_is_told_apart_by_these() -> None:
    trace = PYTHON.replace("/app/", "/venv/lib/python3.11/site-packages/")
    assert named(trace) == named(trace, message="another")
    assert named(trace) != named(trace.replace("in load", "in save"))


def test_the_root_cause_tells_apart_what_one_place_wraps() -> None:
    assert named(WRAPPED) != named(WRAPPED.replace("shop/db.py", "shop/stock.py"))
    assert named(WRAPPED) != named(WRAPPED.replace("IndexError", "KeyError"))


def test_what_was_only_being_handled_does_not_count() -> None:
    handling = "During handling of the above exception, another exception occurred:"
    trace = WRAPPED.replace(
        "The above exception was the direct cause of the following exception:", handling
    )
    assert named(trace) == named(trace.partition(handling)[2])


def recursion(*names: str, times: int) -> str:
    frames = [f'  File "/app/tree.py", line {i}, in {n}\n' for i, n in enumerate(names * times)]
    return "Traceback (most recent call last):\n" + "".join(frames) + "RecursionError: too deep\n"


def test_the_depth_of_a_recursion_changes_nothing() -> None:
    assert named(recursion("walk", times=3)) == named(recursion("walk", times=900))
    assert named(recursion("a", "b", times=3)) == named(recursion("b", "a", times=500))


@pytest.mark.parametrize("name", ["<listcomp>", "<dictcomp>", "<setcomp>"])
def test_what_newer_pythons_inline_changes_nothing(name: str) -> None:
    inlined = f'  File "/app/shop/db.py", line 12, in {name}\n    return rows[0]\n'
    assert named(PYTHON.replace("IndexError", f"{inlined}IndexError")) == named(PYTHON)


def test_without_a_trace_the_service_and_the_masked_message_count() -> None:
    one = "user 12 at 0x7f00aa, id 550e8400-e29b-41d4-a716-446655440000, key 'a', ada@shop.example"
    two = "user 9 at 0x1200ff, id 00000000-e29b-41d4-a716-446655440000, key 'bc', bob@x.example.org"
    assert masked(one) == "user # at #, id #, key '', #"
    assert named("", message=one) == named("", message=two)
    assert named("", message=one) != named("", message="another")
    assert named("", message=one) != named("", message=one, service="worker")
    assert named("no frames here", message=one) == named("", message=one)


def test_an_apostrophe_is_no_quote() -> None:
    assert masked("can't load; don't ask") == "can't load; don't ask"


def test_a_type_counts_without_addresses() -> None:
    assert named("", "builtins.KeyError") == named("", "KeyError")
    assert named(PYTHON, "Foo@1a2b3c4d") == named(PYTHON, "Foo@99ffee00")


PIECES = st.sampled_from(
    [
        *PYTHON.splitlines(), *WRAPPED.splitlines(), *GROUP.splitlines(), *JAVA.splitlines(),
        *NODE.splitlines(), *GO.splitlines(), *DOTNET.splitlines(), *RUBY.splitlines(),
        *PHP.splitlines(), *FIREFOX.splitlines(), "at (", "at .", "#1", "@a/:1", ":in ", "---> ",
        'File "', '", line ', "Caused by: ", "Next ", "| ", "\x00", "\u202e", "<", "at <>.()",
    ]
)  # fmt: skip


@given(st.lists(PIECES | st.text()), st.text(), st.text(), st.sampled_from(["\n", " ", "", "\r\n"]))
def test_any_text_has_a_fingerprint(
    pieces: list[str], type: str, message: str, between: str
) -> None:
    trace = between.join(pieces)
    name = fingerprint(type, message, trace, "shop")
    assert len(name) == LENGTH
    assert name == fingerprint(type, message, trace, "shop")
    assert parse_trace(trace)


HOSTILE = [
    "a", "\n", "'", '"a', "at ", "at a(", 'File "', "\nat a(b.java:", "1", "a.b-", "@", "0x",
    "---> ", "Caused by: x\n", "a1b2", "<a", "| ", "(2 levels) block ", "\n+-+-- 1 --", "#1 a(",
    '\n  File "/a.py", line 1, in b', "\nat <a>.<b>(", "\na@b/c:1:1", ".func1", "at a [as ",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_no_text_takes_long(piece: str) -> None:
    """A hundred times what an event can hold: what grew with its square would take hours."""
    text = piece * (1_600_000 // len(piece))
    for trace in (text, f"Traceback (most recent call last):\n{text}"):
        assert len(fingerprint("Error", text, trace, "shop")) == LENGTH
