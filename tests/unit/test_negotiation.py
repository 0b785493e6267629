import pytest
from opsboard.adapters.http.negotiation import narrowed, preferred

OFFERED = ["application/json", "text/html", "text/plain"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("text/*", "text/html"),
        ("text/html;q=0", "application/json"),
        ("application/json;q=0, */*", "text/html"),
        ("application/json;q=0,text/html;q=0,*/*;q=0.1", "text/plain"),
        ("text/html;q=0.8, text/plain;q=0.9", "text/plain"),
        ("text/plain, */*", "text/plain"),
        ("TEXT/HTML ; Q=1", "text/html"),
        ("text/html;q=0.5, application/json;q=0.5", "application/json"),
        ("text/html;q=0.001, application/json;q=0.002", "application/json"),
        (",,;q=1,text/html;q=nan", "text/html"),
    ],
)
def test_the_type_that_a_client_likes_best(accept: str, media_type: str) -> None:
    assert preferred(accept, OFFERED) == media_type


@pytest.mark.parametrize(
    ("accept", "header"),
    [
        ("text/plain;version=0.0.4;q=0.3,text/html;q=0.2", "text/plain;version=0.0.4"),
        ("text/plain;q=0.1;a=b, text/plain;c=d", "text/plain;c=d,text/plain;a=b"),
        ("text/plain;version=7", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html;q=0.2,text/*;q=0.3", "text/plain"),
    ],
)  # fmt: skip
def test_the_ranges_of_that_type_best_first(accept: str, header: str) -> None:
    assert narrowed(accept, ["text/plain", "text/html"]) == header
