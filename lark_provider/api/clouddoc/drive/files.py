"""Files and folders: list, copy and delete them."""

from __future__ import annotations

from typing import Any, Literal, Required, TypeAlias, TypedDict

from lark_provider.api.clouddoc.drive.documents import Document, DocumentType, find_document
from lark_provider.api.clouddoc.drive.folders import resolve_folder
from lark_provider.api.clouddoc.drive.listing import DriveFile, list_folder
from lark_provider.protocol.calls import Call, LarkResponse, make_request
from lark_provider.protocol.effects import Sleep
from lark_provider.protocol.errors import InvalidRequestError, LarkAPIError
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paths import fill_path

OrderBy: TypeAlias = Literal["EditedTime", "CreatedTime"]
_MAX_NAME_BYTES = 256
_POLL_SECONDS, _POLLS = 0.5, 120


class Meta(TypedDict, total=False):
    """What Lark says about a document."""

    doc_token: Required[str]
    doc_type: str
    title: str
    owner_id: str
    create_time: str
    latest_modify_user: str
    latest_modify_time: str
    url: str


class FileAnswer(TypedDict):
    """What `copy` answers."""

    file: DriveFile


def list_files(
    folder: str | None = None, *, order_by: OrderBy = "EditedTime", newest_first: bool = True
) -> Listing[DriveFile]:
    """List the files and folders in a folder. What was created moments ago may be missing.

    See GET /open-apis/drive/v1/files.

    Args:
        folder: A folder's token, a link to it, or a path such as `Reports/2026-11` in the app's own space;
            the top of that space if None.
        order_by: The time by which files are sorted: `EditedTime` or `CreatedTime`.
        newest_first: Whether the newest files come first; else the oldest do.

    Returns:
        An iterator of files, over all pages.

    Raises:
        NotFoundError: There is no such folder.
        PermissionDeniedError: The folder was not shared with the app.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    direction = "DESC" if newest_first else "ASC"

    def read_page(token: str | None) -> Procedure[Page[DriveFile]]:
        parent = "" if folder is None else (yield from resolve_folder(folder, create=False))
        return (yield from list_folder(parent, order_by=order_by, direction=direction).page(token))

    return Listing(read_page)


def copy(
    token: str,
    name: str,
    *,
    folder: str | None = None,
    type: DocumentType | None = None,  # noqa: A002 - Lark's name
) -> Procedure[LarkResponse[FileAnswer]]:
    """Copy a file, such as a template for a report. Not safe to repeat.

    See POST /open-apis/drive/v1/files/:file_token/copy.

    Args:
        token: The file: a link, or a token with its kind in `type`.
        name: The name of the copy, up to 256 bytes.
        folder: The folder in which to put it, as for `list_files`; it is made if missing.
        type: The file's kind, if `token` does not show it.

    Returns:
        `.data["file"]` with token and url.

    Raises:
        InvalidRequestError: The name or the kind is invalid; nothing was sent.
        OutcomeUnknownError: The answer is lost.
        LarkAPIError: Lark refused it.
        TransportError: Lark was not reached.
    """
    if not (isinstance(name, str) and name.strip() and len(name.encode(errors="replace")) <= _MAX_NAME_BYTES):
        raise InvalidRequestError(
            f"The name of a file must have 1 to {_MAX_NAME_BYTES} bytes, got {name!r:.120}. Next: correct "
            f"it.",
            code=1061008,
        )
    source = yield from find_document(token, type)
    # An empty folder_token stands for the app's own space.
    target = "" if folder is None else (yield from resolve_folder(folder))
    body = {"name": name, "type": source.type, "folder_token": target}
    url = fill_path("/drive/v1/files/{token}/copy", token=source.token)
    call: Call[FileAnswer] = make_request("POST", url, json=body)
    return (yield from perform(call))


def delete(token: str, *, type: DocumentType | None = None) -> Procedure[None]:  # noqa: A002 - Lark's name
    """Move a file, or a folder with all that is in it, to the trash; returns when it is done.

    If the answer for a folder was lost and a retry learns that it is deleted already, this returns at once:
    Lark names the task to wait for only in the lost answer. What is in the folder may then still be there for
    some seconds.

    See DELETE /open-apis/drive/v1/files/:file_token and, for a folder, GET
    /open-apis/drive/v1/files/task_check.

    Args:
        token: The file or folder: a link, or a token with its kind in `type`.
        type: The kind of the file, if `token` does not show it.

    Raises:
        InvalidRequestError: The kind is needed; nothing was sent.
        NotFoundError: There is no such file.
        PermissionDeniedError: It was not shared with the app.
        LarkAPIError: Lark refused it, or could not delete a folder.
        TransportError: Lark was not reached.
    """
    document = yield from find_document(token, type)
    call: Call[Any] = make_request(
        "DELETE", fill_path("/drive/v1/files/{token}", token=document.token), params={"type": document.type}
    )
    task = (yield from perform(call)).data.get("task_id")
    for _ in range(_POLLS if task else 0):
        check = make_request("GET", fill_path("/drive/v1/files/task_check"), params={"task_id": task})
        status = (yield from perform(check)).data.get("status")
        if status == "success":
            return
        if status == "fail":
            raise LarkAPIError(
                f"{call.name} → the folder {document.token} could not be deleted, or not all of it. Next: "
                "list it, and delete what is left."
            )
        yield Sleep(_POLL_SECONDS)
    if task:
        raise LarkAPIError(
            f"{call.name} → folder {document.token} is still being deleted after "
            f"{_POLLS * _POLL_SECONDS:.0f} s (task {task}). Next: list it later.",
            retryable=True,
        )


def get_metadata(document: Document) -> Procedure[Meta | None]:
    """Return what Lark says about a document; None if it does not exist or was not shared with the app.

    See POST /open-apis/drive/v1/metas/batch_query.

    Args:
        document: The document, by token and kind.
    """
    body = {"request_docs": [{"doc_token": document.token, "doc_type": document.type}], "with_url": True}
    call: Call[Any] = make_request("POST", fill_path("/drive/v1/metas/batch_query"), json=body, safe=True)
    metas: list[Meta] = (yield from perform(call)).data.get("metas") or []
    return metas[0] if metas else None
