import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.domain.validation import InvalidInput
from opsboard.domain.words import TextQuery, texts, words


def test_words_are_runs_of_letters_and_digits_without_case_or_diacritics() -> None:
    assert words("Straße zum CAFÉ_2 (№5)") == ["strasse", "zum", "cafe", "2", "no5"]
    assert words("GET /cart/{id}?x=1") == ["get", "cart", "id", "x", "1"]


def test_texts_are_every_key_and_scalar_in_document_order() -> None:
    value = {"a": [1, {"b": None}], "c": True, "d": "e"}
    assert list(texts(value)) == ["a", "1", "b", "null", "c", "true", "d", "e"]


@pytest.mark.parametrize(
    ("q", "text", "found"),
    [
        ("slow query", "Query was slow", True),
        ("slow query", "slow", False),
        ("pay*", "Payment failed", True),
        ("pay*", "repay", False),
        ("req-abc* x", "x req abcdef", True),
        ("CAFÉ", "cafe", True),
        ("10.0.0.1", "from 10.0.0.1", True),
    ],
)
def test_all_words_must_occur(q: str, text: str, found: bool) -> None:
    assert TextQuery.parse(q).matches(words(text)) is found


@pytest.mark.parametrize(
    "q",
    ["", "  ", "***", "*", '"quoted phrase"', "a OR b", "NOT a", "a AND b", "NEAR(a b)",
     "message:x", "meta : x", "a^2", "{a b}", "a*b", "x" * 201, "a\0b", "---", "(a)"],
)  # fmt: skip
def test_what_is_no_plain_query_is_refused_and_names_q(q: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        TextQuery.parse(q)
    assert refused.value.violations[0].pointer == "q"


@given(st.text())
def test_a_text_is_found_by_each_of_its_own_words(text: str) -> None:
    found = words(text)
    for word in found:
        assert words(word) == [word]
        assert TextQuery((word,)).matches(found)
        assert TextQuery((), (word[:2],)).matches(found)


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.floats(allow_nan=False)), st.data()
)
def test_a_document_that_matches_may_match(meta: dict[str, object], data: st.DataObject) -> None:
    found = [word for text in texts(meta) for word in words(text)]
    wanted = data.draw(st.lists(st.sampled_from(found))) if found else []
    query = TextQuery(tuple(wanted), tuple(word[:1] for word in wanted))
    assert query.may_match(msgspec.json.encode(meta))


def test_a_word_that_is_nowhere_in_a_document_can_not_match() -> None:
    document = msgspec.json.encode({"message": "Query was slow"})
    assert TextQuery.parse("SLOW quer*").may_match(document)
    assert not TextQuery.parse("slow fast").may_match(document)
