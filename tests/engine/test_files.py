"""Files that are uploaded: what is read of them, what they are called, and what stays as it was."""

from __future__ import annotations

import io
import os
import select
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lark_provider.engine.files import open_atomic, prepare_upload
from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.effects import ReadFile

LIMIT = 10


class Pipe(io.BytesIO):
    """A file that can be read only once."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: object) -> int:
        raise io.UnsupportedOperation("seek")


class Reader:
    """What has nothing of a file but that it can be read, as the body of an HTTP answer."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


def in_a_file(content: bytes) -> io.BytesIO:
    """Return a file whose position is where the content begins."""
    file = io.BytesIO(b"head" + content)
    file.seek(4)
    return file


SOURCES: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "file": in_a_file,
    "pipe": Pipe,
    "reader": Reader,
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_what_the_limit_allows_is_read_whole(kind: str, length: int) -> None:
    content = bytes(range(length))
    loaded = prepare_upload(ReadFile(SOURCES[kind](content), "a", LIMIT, "file"))
    assert len(loaded.content) == length
    for _ in range(2):  # it is sent again after a failure
        assert b"".join(_chunks(loaded.content)) == content


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_longer_than_the_limit_is_seen_to_be(kind: str) -> None:
    loaded = prepare_upload(ReadFile(SOURCES[kind](bytes(3 * LIMIT)), "a", LIMIT, "file"))
    assert len(loaded.content) > LIMIT


def _chunks(content: Any) -> list[bytes]:
    return [content] if isinstance(content, bytes) else list(content)


def test_a_pipe_is_read_to_its_end_whatever_it_has_at_the_moment() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as file, ThreadPoolExecutor(1) as other:
        loading = other.submit(prepare_upload, ReadFile(file, "a", LIMIT, "file"))
        with os.fdopen(writing, "wb", buffering=0) as source:
            for number in range(LIMIT):
                source.write(bytes([number]))
                deadline = time.monotonic() + 30  # the next byte comes once this one has been read
                while select.select([reading], [], [], 0)[0]:
                    assert time.monotonic() < deadline
        assert loading.result(30).content == bytes(range(LIMIT))


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_pipe_that_does_not_block_is_not_sent_in_part(buffering: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        os.fdopen(reading, "rb", buffering=buffering) as file,
        os.fdopen(writing, "wb", buffering=0) as source,
    ):
        source.write(b"abc")
        with pytest.raises(
            InvalidRequestError, match=r"The file must .* non-blocking .* Next: call os\.set_block"
        ):
            prepare_upload(ReadFile(file, "a", LIMIT, "file"))


def test_a_file_that_was_looked_at_and_not_sent_can_be_passed_again() -> None:
    file = in_a_file(b"content")
    for _ in range(2):
        assert len(prepare_upload(ReadFile(file, "a", LIMIT, "file")).content) == len(b"content")


def test_of_a_file_that_was_read_to_its_end_nothing_is_left() -> None:
    for position in (3, 100):
        file = io.BytesIO(b"abc")
        file.seek(position)
        assert len(prepare_upload(ReadFile(file, "a", LIMIT, "file")).content) == 0


def test_a_file_is_called_what_the_caller_says_else_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_bytes(b"a")
    with path.open("rb") as file:
        for source in (path, str(path), file):
            assert prepare_upload(ReadFile(source, None, LIMIT, "file")).name == "report.csv"
            assert prepare_upload(ReadFile(source, "b.csv", LIMIT, "file")).name == "b.csv"
    assert prepare_upload(ReadFile(b"a", None, LIMIT, "image")).name == "image"
    for nameless in (b"a", io.BytesIO(b"a")):
        with pytest.raises(InvalidRequestError, match=r"The file must have a name\. Next: pass file_name="):
            prepare_upload(ReadFile(nameless, None, LIMIT, "file"))


def test_a_name_that_is_not_unicode_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode("报表.png".encode("gbk"))  # as a mount of a Chinese Windows has it
    path.write_bytes(b"a")
    with path.open("rb") as file:
        for source in (path, file):
            with pytest.raises(InvalidRequestError, match=r"valid Unicode, got .*\. Next: pass file_name="):
                prepare_upload(ReadFile(source, None, LIMIT, "file"))
            assert prepare_upload(ReadFile(source, "报表.png", LIMIT, "file")).name == "报表.png"
            assert prepare_upload(ReadFile(source, None, LIMIT, "image")).name == "image"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.csv", tmp_path):
        with pytest.raises(InvalidRequestError, match=rf"The image '{path}' cannot be read: .*\. Next: "):
            prepare_upload(ReadFile(path, None, LIMIT, "image"))
    with pytest.raises(InvalidRequestError, match="must be open in binary mode"):
        prepare_upload(ReadFile(io.StringIO("text"), "a", LIMIT, "file"))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["n" * 250, "表" * 85], ids=["ascii", "chinese"])  # 255 bytes
def test_a_download_has_its_name_once_it_is_complete(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_bytes(b"the last one")
    with suppress(ZeroDivisionError), open_atomic(str(target)) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"the last one", [target])
    with open_atomic(str(target)) as file:
        file.write(b"whole")
        assert target.read_bytes() == b"the last one"
    assert (target.read_bytes(), list(tmp_path.iterdir())) == (b"whole", [target])
