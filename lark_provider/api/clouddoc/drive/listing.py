"""The contents of folders, as Lark lists them."""

from __future__ import annotations

from typing import Any, Required, TypedDict

from lark_provider.protocol.calls import Call, make_request
from lark_provider.protocol.operations import Listing, Page, Procedure, perform
from lark_provider.protocol.paging import Pager
from lark_provider.protocol.paths import fill_path

PAGE_SIZE = 200


class DriveFile(TypedDict, total=False):
    """A file or folder as Lark lists it."""

    token: Required[str]
    name: str
    type: str
    parent_token: str
    url: str
    created_time: str
    modified_time: str
    owner_id: str


class FolderAnswer(TypedDict, total=False):
    """What `create_folder` answers."""

    token: Required[str]
    url: str


def list_folder(token: str, *, order_by: str = "CreatedTime", direction: str = "ASC") -> Listing[DriveFile]:
    """List a folder by its token; see `list_files`."""

    def read_page(page_token: str | None) -> Procedure[Page[DriveFile]]:
        params = {
            "folder_token": token or None,
            "page_size": str(PAGE_SIZE) if token else None,  # the top folder is listed without pages
            "page_token": page_token,
            "order_by": order_by,
            "direction": direction,
        }
        call: Call[Any] = make_request("GET", fill_path("/drive/v1/files"), params=params, subject=token)
        data = (yield from perform(call)).data
        more = {"items": data.get("files") or (), "has_more": data.get("has_more")}
        return Page.of({**more, "page_token": data.get("next_page_token")})

    return Listing(read_page)


def create_folder_call(name: str, parent: str) -> Call[FolderAnswer]:
    """Return the call that creates a folder.

    See POST /open-apis/drive/v1/files/create_folder.

    Args:
        name: The name of the new folder.
        parent: The token of the folder above; empty for the top of the app's own space.
    """
    url = fill_path("/drive/v1/files/create_folder")
    return make_request("POST", url, json={"name": name, "folder_token": parent}, subject=name)


def find_by_name(parent: str, name: str, file_type: str) -> Procedure[list[DriveFile]]:
    """Return the files of a type with a name in a folder, the oldest first.

    See GET /open-apis/drive/v1/files.

    Args:
        parent: The token of the folder; empty for the top of the app's own space.
        name: The name of the files to find.
        file_type: Their type, such as `folder` or `sheet`.
    """
    pager = Pager(list_folder(parent))
    files: list[DriveFile] = []
    while not pager.ended:
        page = yield from pager.read_next_page()
        files += [file for file in page if file.get("type") == file_type and file.get("name") == name]
    return sorted(files, key=lambda file: (int(file.get("created_time") or 0), file["token"]))


def find_oldest_folder(parent: str, name: str) -> Procedure[str | None]:
    """Return the token of the oldest folder with a name in another; None if there is none."""
    folders = yield from find_by_name(parent, name, "folder")
    return folders[0]["token"] if folders else None
