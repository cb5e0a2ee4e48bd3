"""Folders, named by token, by link or by their path in the app's own space."""

from __future__ import annotations

import re
from typing import Any

from lark_provider.api import links
from lark_provider.api.clouddoc.drive.listing import FolderAnswer, create_folder_call, find_oldest_folder
from lark_provider.api.clouddoc.drive.making import make_folder
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.effects import Memoize
from lark_provider.protocol.errors import InvalidRequestError, NotFoundError
from lark_provider.protocol.operations import Procedure, memoize, perform
from lark_provider.protocol.paths import fill_path

_MAX_NAME_BYTES, _MAX_DEPTH = 256, 15
_TOKEN = re.compile(r"fld[A-Za-z0-9]{5,}|(?=[A-Za-z]*[0-9])(?=[a-z0-9]*[A-Z])[A-Za-z0-9]{20,}")
_ROOT_MAX_AGE, _FOLDER_MAX_AGE = 3600.0, 300.0
_WRONG_NAME, _NO_FOLDER = 1061008, 1061003


def create_folder(name: str, *, parent: str | None = None) -> Procedure[LarkResponse[FolderAnswer]]:
    """Create a folder. Names are not unique: a repeat makes a second one; `ensure_folder` looks first.

    See POST /open-apis/drive/v1/files/create_folder.

    Args:
        name: The name of the folder, up to 256 bytes, without `/`.
        parent: The folder in which to put it: a folder's token, a link to it, or a path; the top of the app's
            own space if None.

    Returns:
        `.data["token"]` and `.data["url"]`.

    Raises:
        InvalidRequestError: The name is invalid; nothing was sent.
        ConflictError: The folder above has 1,500 files and folders, which is all it takes.
        PermissionDeniedError: The folder above was not shared with the app.
        OutcomeUnknownError: The answer is lost.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    _check_name(name)
    above = "" if parent is None else (yield from resolve_folder(parent))
    return (yield from perform(create_folder_call(name, above)))


def ensure_folder(folder_path: str, *, parent: str | None = None) -> Procedure[str]:
    """Find a folder by its path, and make what is missing of it.

    See GET /open-apis/drive/v1/files and POST /open-apis/drive/v1/files/create_folder. If several
    folders have the same name, the oldest is used. Lark has no way to create a folder only if it is missing.
    With a database, one process at a time makes a folder, and the others read its token there; without one,
    two processes that make the same path for the first time at the same moment may make two folders.

    Args:
        folder_path: The path of the folder, such as `Reports/2026-11`.
        parent: The folder where the path begins: a token or a link; the top of the app's own space if None.

    Returns:
        The folder's token.

    Raises:
        InvalidRequestError: The path is invalid; nothing was sent.
        ConflictError: A folder on the path has 1,500 files and folders, which is all it takes.
        PermissionDeniedError: `parent` was not shared with the app.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
        StorageError: The database is unavailable, and a folder is missing.
    """
    names = parse_path(folder_path)
    token = (yield from _read_root()) if parent is None else links.parse_folder(parent)
    for name in names:
        token = yield from _ensure_child(token, name)
    return token


def find_folder(folder_path: str, *, parent: str | None = None) -> Procedure[str | None]:
    """Return the token of the folder with a path, without making anything.

    See GET /open-apis/drive/v1/files.

    Args:
        folder_path: The path of the folder, such as `Reports/2026-11`.
        parent: The folder where the path begins: a token or a link; the top of the app's own space if None.

    Returns:
        The token; None if there is no such folder.

    Raises:
        InvalidRequestError: The path is invalid; nothing was sent.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    names = parse_path(folder_path)
    token: str | None = (yield from _read_root()) if parent is None else links.parse_folder(parent)
    for name in names:
        token = yield from find_oldest_folder(token or "", name)
        if token is None:
            return None
    return token


def resolve_folder(folder: str, *, create: bool = True) -> Procedure[str]:
    """Return the token of the folder that a caller named by token, link or path.

    Args:
        folder: A token (`fldcn…`, or some 27 letters and digits), a link, or a path. A path of a single name
            that looks like a token needs a trailing `/`.
        create: Whether to make what is missing of a path.

    Raises:
        InvalidRequestError: It is none of these.
        NotFoundError: There is no folder with the path, and `create` is False.
    """
    if isinstance(folder, str) and ("://" in folder or _TOKEN.fullmatch(folder.strip())):
        return links.parse_folder(folder.strip())
    if create:
        return (yield from ensure_folder(folder))
    token = yield from find_folder(folder)
    if token is None:
        raise NotFoundError(
            f"There is no folder {folder!r} in the app's own space. Next: check the path with list_files(); "
            "for a folder of a person, pass its link and share it with the app.",
            code=_NO_FOLDER,
        )
    return token


def parse_path(folder_path: object) -> list[str]:
    """Return the names on a path.

    Args:
        folder_path: The path of a folder, such as `Reports/2026-11`.

    Raises:
        InvalidRequestError: It is empty, too deep, or has an invalid name.
    """
    names = (
        [part.strip() for part in folder_path.strip("/ ").split("/")] if isinstance(folder_path, str) else []
    )
    if not names or not all(names) or len(names) > _MAX_DEPTH:
        raise InvalidRequestError(
            f"A folder must be a path of up to {_MAX_DEPTH} names, a token or a link, got "
            f"{folder_path!r:.120}. Next: "
            "write 'Reports/2026-11', or paste the folder's link.",
            code=_WRONG_NAME,
        )
    for name in names:
        _check_name(name)
    return names


def _check_name(name: object) -> None:
    is_name = (
        isinstance(name, str)
        and name.strip() not in ("", ".", "..")
        and name.isprintable()
        and "/" not in name
    )
    if not is_name or len(str(name).encode(errors="replace")) > _MAX_NAME_BYTES:
        raise InvalidRequestError(
            f"The name of a folder must have 1 to {_MAX_NAME_BYTES} printable bytes without /, got "
            f"{name!r:.120}. Next: choose another name, such as 'Reports 2026'.",
            code=_WRONG_NAME,
        )


def _read_root() -> Procedure[str]:
    """Return the token of the app's own top folder."""

    def read() -> Procedure[str]:
        call: Call[Any] = make_request("GET", fill_path("/drive/explorer/v2/root_folder/meta"))
        return str((yield from perform(call)).data["token"])

    return (yield from memoize(Memoize(("drive.root",), read, _ROOT_MAX_AGE)))


def _ensure_child(parent: str, name: str) -> Procedure[str]:
    """Find a folder in another, or make it. The result is cached, since new folders are listed late."""

    def find() -> Procedure[str]:
        token = yield from find_oldest_folder(parent, name)
        return token or (yield from make_folder(parent, name))

    return (yield from memoize(Memoize(("drive.folder", parent, name), find, _FOLDER_MAX_AGE)))
