import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opsboard.adapters.http.exposition.gzip_parts import Part, gzip_file


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_the_parts_are_one_file(contents: list[bytes]) -> None:
    file = gzip_file(map(Part.of, contents))
    assert gzip.decompress(file) == b"".join(contents)


def test_the_file_has_one_member_so_that_any_client_reads_all_of_it() -> None:
    contents = [b"one" * 70_000, b"", b"two" * 3]
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    said = inflate.decompress(gzip_file(map(Part.of, contents)))
    assert (said, inflate.eof, inflate.unused_data) == (b"".join(contents), True, b"")


def test_a_changed_part_changes_the_checksum() -> None:
    file = bytearray(gzip_file([Part.of(b"a" * 100), Part.of(b"b" * 100)]))
    other = gzip_file([Part.of(b"b" * 100), Part.of(b"a" * 100)])
    file[-8:] = other[-8:]
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(file)


def test_a_part_gives_its_content_back() -> None:
    assert Part.of(b"some lines\n" * 1_000).content == b"some lines\n" * 1_000
