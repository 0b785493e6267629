import pytest
from opsboard.adapters.http.negotiation import preferred, takes_gzip

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
    ("accept", "media_type"),
    [
        ("text/html;level=1", "text/html"),
        ("text/html;level=2", "application/json"),
        ('text/html;Level="1";q=0.5,text/plain;q=0.4', "text/html"),
        ("text/html;level=2,text/plain;level=2;q=0.1", "text/plain"),
        ("text/html;charset=utf-8", "text/html"),
    ],
)
def test_a_range_must_not_ask_for_another_variant(accept: str, media_type: str) -> None:
    assert preferred(accept, OFFERED, {"text/html": {"level": "1"}}) == media_type


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("gzip", True),
        ("GZIP, deflate, br, zstd", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0.1, identity;q=0.1", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("", False),
        ("br, zstd", False),
        ("gzip;q=0", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
    ],
)
def test_gzip_where_it_is_wanted(accept_encoding: str, taken: bool) -> None:
    assert takes_gzip(accept_encoding) is taken
