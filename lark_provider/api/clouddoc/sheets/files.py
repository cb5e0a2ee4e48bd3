"""Spreadsheets as files: create, describe and rename them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lark_provider.api.clouddoc.drive.folders import resolve_folder
from lark_provider.api.clouddoc.drive.sharing import Grant, Share, resolve_shares, share_resolved
from lark_provider.api.clouddoc.sheets.targets import Target, find_spreadsheet
from lark_provider.api.clouddoc.sheets.writing import V2
from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError
from lark_provider.protocol.operations import Procedure, perform
from lark_provider.protocol.paths import fill_path

FILES = "/sheets/v3/spreadsheets"
MAX_TITLE = 255
_WRONG_TITLE = 1310250


@dataclass(frozen=True, slots=True)
class SpreadsheetInfo:
    """A spreadsheet as Lark describes it.

    Attributes:
        token: The token of the spreadsheet.
        title: The title of the spreadsheet.
        url: The link to the spreadsheet; empty if Lark does not send it.
        owner_id: The id of its owner; None if Lark does not say.
        folder_token: The folder in which it was created; None if Lark does not say.
        shared: The grants that were made when it was created.
    """

    token: str
    title: str
    url: str
    owner_id: str | None = None
    folder_token: str | None = None
    shared: tuple[Grant, ...] = ()

    @classmethod
    def of(cls, data: Any, shared: tuple[Grant, ...] = ()) -> SpreadsheetInfo:
        """Read Lark's description."""
        return cls(
            data.get("spreadsheet_token") or data.get("token") or "",
            data.get("title") or "",
            data.get("url") or "",
            data.get("owner_id"),
            data.get("folder_token") or None,
            shared,
        )


def create(
    title: str, *, folder: str | None = None, share_with: Iterable[Share] = ()
) -> Procedure[SpreadsheetInfo]:
    """Create a spreadsheet, and share it: what an app creates, only the app can open.

    See POST /open-apis/sheets/v3/spreadsheets. It has one empty worksheet of 200 rows and 20 columns. Lark
    takes no idempotency token, so a repeat makes a second one; `write_table` with a key creates only one.

    Args:
        title: The title of the spreadsheet, 1 to 255 characters.
        folder: The folder in which to put it: a folder's token, a link to it, or a path such as
            `Reports/2026-11` in the app's own space, which is created if missing; the app's own space if
            None.
        share_with: The people and chats that may open it, with their roles; they are resolved before it is
            created.

    Returns:
        The spreadsheet, with `.token` and `.url`.

    Raises:
        InvalidRequestError: The title or a person is invalid; nothing was created.
        NotFoundError: A person or the folder does not exist; nothing was created.
        PermissionDeniedError: The folder was not shared with the app; or the spreadsheet was created and
            could not be shared, as the text says.
        OutcomeUnknownError: The answer is lost.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_title(title)
    shares = yield from resolve_shares(share_with)
    body = {"title": title}
    if folder is not None:
        body["folder_token"] = yield from resolve_folder(folder)
    subject = format_subject(title, body.get("folder_token"))
    call: Call[Any] = make_request("POST", fill_path(FILES), json=body, subject=subject)
    info = SpreadsheetInfo.of((yield from perform(call)).data.get("spreadsheet") or {})
    grants = yield from share_resolved(
        info.token, "sheet", shares, f"The spreadsheet {info.url or info.token} was created."
    )
    return SpreadsheetInfo(info.token, info.title, info.url, info.owner_id, info.folder_token, tuple(grants))


def get(token: Target) -> Procedure[SpreadsheetInfo]:
    """Describe a spreadsheet.

    See GET /open-apis/sheets/v3/spreadsheets/:spreadsheet_token.

    Args:
        token: The spreadsheet: a token or a link.

    Returns:
        Its title, link and owner.

    Raises:
        NotFoundError: There is no such spreadsheet.
        PermissionDeniedError: The spreadsheet was not shared with the app.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    ref = yield from find_spreadsheet(token)
    call: Call[Any] = make_request("GET", fill_path(FILES + "/{token}", token=ref.token))
    info = SpreadsheetInfo.of((yield from perform(call)).data.get("spreadsheet") or {})
    return info if info.token else SpreadsheetInfo(ref.token, info.title, info.url, info.owner_id)


def rename(token: Target, title: str) -> Procedure[SpreadsheetInfo]:
    """Rename a spreadsheet; a repeat does no harm.

    See PATCH /open-apis/sheets/v3/spreadsheets/:spreadsheet_token.

    Args:
        token: The spreadsheet: a token or a link.
        title: The new title of the spreadsheet, 1 to 255 characters.

    Returns:
        The spreadsheet with its new title.

    Raises:
        InvalidRequestError: The title is invalid, or Lark ignored it.
        NotFoundError: There is no such spreadsheet.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    check_title(title)
    ref = yield from find_spreadsheet(token)
    url = fill_path(FILES + "/{token}", token=ref.token)
    yield from perform(make_request("PATCH", url, json={"title": title}, idempotent=True))
    info = yield from get(ref.token)
    if info.title != title:
        raise InvalidRequestError(
            f"Lark accepted the title {title!r} but kept {info.title!r}. Next: choose a title without "
            "special characters.",
            code=_WRONG_TITLE,
        )
    return info


def revision(token: Target) -> Procedure[int]:
    """Return the revision of a spreadsheet, which each write by anyone increases.

    See GET /open-apis/sheets/v2/spreadsheets/:spreadsheetToken/metainfo.

    Args:
        token: The spreadsheet: a token or a link.

    Raises:
        LarkAPIError: Lark refused it, or its answer has no revision.
        TransportError: Lark was not reached.
    """
    ref = yield from find_spreadsheet(token)
    call: Call[Any] = make_request("GET", fill_path(V2 + "/metainfo", token=ref.token))
    number = ((yield from perform(call)).data.get("properties") or {}).get("revision")
    if not isinstance(number, int):
        raise LarkAPIError(f"{call.name} → the response has no revision. Next: call again.", retryable=True)
    return number


def format_subject(title: str, folder: str | None) -> str:
    """Return the words by which an error names a spreadsheet to be created.

    Args:
        title: The title of the spreadsheet.
        folder: The token of its folder; None or empty if it has none.
    """
    return f"{title} in folder {folder}" if folder else title


def check_title(title: object) -> str:
    """Check the title of a spreadsheet.

    Args:
        title: What a caller passed.

    Raises:
        InvalidRequestError: It is invalid.
    """
    if not (isinstance(title, str) and title.strip() and len(title) <= MAX_TITLE and title.isprintable()):
        raise InvalidRequestError(
            f"The title of a spreadsheet must have 1 to {MAX_TITLE} printable characters, got "
            f"{title!r:.120}. Next: "
            "correct it.",
            code=_WRONG_TITLE,
        )
    return title
