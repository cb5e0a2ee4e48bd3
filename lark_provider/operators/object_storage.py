"""Files in any storage that Airflow's ObjectStoragePath knows."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from lark_provider.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from lark_provider.files.reading import SourceFile

StoragePath: TypeAlias = "ObjectStoragePath | os.PathLike[str] | str"
_LOCAL = ("file", "local", "")
MAX_IMAGE_BYTES = 10 * 1024 * 1024
MAX_FILE_BYTES = 30 * 1024 * 1024
"""What Lark takes."""


def locate(path: StoragePath) -> ObjectStoragePath:
    """Return a path in its storage.

    Args:
        path: Such as `s3://aws_default@bucket/orders.csv` or `file:///data/orders.csv`.

    Raises:
        InvalidRequestError: It is not a path, or has characters that no file name has.
    """
    from airflow.sdk import ObjectStoragePath

    if isinstance(path, ObjectStoragePath):
        return path
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str):
        raise InvalidRequestError(
            f"The path of a file must be a str, got {path!r:.80}. Next: pass one such as file:///data/orders.csv."
        )
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidRequestError(
            f"The path of a file must be one that can be written, got {path!r:.80}. Next: correct it."
        ) from None
    return ObjectStoragePath(text)


def make_source(path: StoragePath) -> SourceFile:
    """Return a file that rows are read from.

    Args:
        path: The file, see `locate`.

    Raises:
        InvalidRequestError: It is not a path.
    """
    from lark_provider.files.reading import SourceFile

    storage_path = locate(path)
    # Not `storage_path.open`: Python's readers of text do not take its wrapper for a file object.
    return SourceFile(str(path), lambda: storage_path.fs.open(storage_path.path, "rb"))


def read_content(path: StoragePath, limit: int) -> tuple[bytes, str]:
    """Return what is in a file, and its name.

    Args:
        path: The file.
        limit: The most bytes that it may have; a larger one is not read.

    Raises:
        InvalidRequestError: There is no such file, or it is larger.
    """
    storage_path = locate(path)
    try:
        size = int(storage_path.fs.size(storage_path.path))
        if size > limit:
            raise InvalidRequestError(
                f"The file {path} has {size:,} bytes; the limit is {limit:,}. Next: send a part of it, or a "
                "link to it."
            )
        with storage_path.fs.open(storage_path.path, "rb") as file:
            return file.read(), storage_path.name
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InvalidRequestError(
            f"Cannot read the file {path}: {type(error).__name__}. Next: check its path, and that the task "
            "that makes it ran."
        ) from error


def write(path: StoragePath, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows into a file, which is complete or is as it was before.

    It is written on this machine first, since an upload that is given up half-way may leave half a file.

    Args:
        path: The file; its ending tells the format.
        columns: The columns, each with the kind of its values; see `files.writing.write_to`.
        rows: Values by column.

    Returns:
        How many rows were written.

    Raises:
        FileError: The ending is another one, or the file cannot be written.
    """
    from lark_provider.files import writing
    from lark_provider.files.formats import get_kind

    target, kind = locate(path), get_kind(str(path))
    if target.protocol in _LOCAL:
        return writing.write(target.path, columns, rows)
    with tempfile.TemporaryDirectory(prefix="lark-rows-") as folder:
        local_file = Path(folder) / f"rows.{kind}"
        count = writing.write_to(local_file, kind, columns, rows)
        target.fs.put_file(str(local_file), target.path)
    return count


def check_writable(path: StoragePath) -> None:
    """Check that a file can be written, as far as can be known; its folder is made as by `write_text`.

    Args:
        path: The file.

    Raises:
        FileError: There is no such storage, or the file is on this machine and cannot be written.
    """
    from lark_provider.files.formats import FileError
    from lark_provider.files.writing import touch

    try:
        target = locate(path)
        target.fs  # noqa: B018 - finds the storage's package and connection
        if target.protocol in _LOCAL:
            Path(target.path).parent.mkdir(parents=True, exist_ok=True)
            touch(Path(target.path))
    except InvalidRequestError:
        raise
    except (OSError, ImportError, ValueError) as error:
        raise FileError(f"{path} cannot be written: {error}. Next: name another folder.") from None


def is_local_file(path: StoragePath) -> bool:
    """Return whether a path is that of a file on this machine; other storages are not asked.

    Args:
        path: The file.
    """
    storage_path = locate(path)
    return storage_path.protocol in _LOCAL and Path(storage_path.path).is_file()


def write_text(path: StoragePath, text: str) -> None:
    """Write a text into a file; on this machine its folder is made if it is missing.

    Args:
        path: The file.
        text: What it holds, written as UTF-8.

    Raises:
        FileError: The file cannot be written.
    """
    from lark_provider.files.formats import FileError

    target = locate(path)
    try:
        if target.protocol in _LOCAL:  # elsewhere folders are parts of names, or buckets
            Path(target.path).parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error}. Next: name another folder.") from None


def make_dataset(path: StoragePath) -> Any:
    """Return a file as OpenLineage names it.

    Args:
        path: The file.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    url = urlsplit(str(path))
    if url.scheme in _LOCAL:
        return Dataset(namespace="file", name=url.path)
    place = url.netloc.rpartition("@")[2]  # without the connection
    return Dataset(namespace=f"{url.scheme}://{place}", name=url.path.lstrip("/"))
