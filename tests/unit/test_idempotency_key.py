import pytest
from opsboard.application.board import Opsboard
from opsboard.domain.validation import InvalidInput


@pytest.mark.parametrize("key", ["", "k" * 256, "käse", "a\nb", "\udcff", "\0"])
async def test_what_is_no_key_is_refused_whoever_asks(board: Opsboard, key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key must be 1-255 printable ASCII"):
        await board.record_event("hi", key=key)


@pytest.mark.parametrize("key", ["k" * 255, "deploy 42", "~"])
async def test_a_key_of_printable_ascii_records_once(board: Opsboard, key: str) -> None:
    assert [(await board.record_event("hi", key=key)).id for _ in range(2)] == [1, 1]
