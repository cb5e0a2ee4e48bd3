"""Links as people paste them from Lark's address bar, accepted wherever a token is."""

from __future__ import annotations

import itertools
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qs, urlsplit

from lark_provider.protocol.arguments import check_str
from lark_provider.protocol.calls import make_request
from lark_provider.protocol.effects import Memoize
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure, memoize, perform
from lark_provider.protocol.paths import fill_path

LinkKind: TypeAlias = Literal[
    "bitable", "wiki", "sheet", "docx", "doc", "file", "folder", "mindnote", "slides"
]
_KINDS: dict[str, LinkKind] = {
    "base": "bitable",
    "wiki": "wiki",
    "sheets": "sheet",
    "docx": "docx",
    "docs": "doc",
    "file": "file",
    "folder": "folder",
    "mindnotes": "mindnote",
    "slides": "slides",
}
_NODE_MAX_AGE = 3600.0


class DocumentLink(NamedTuple):
    """What a link points at.

    Attributes:
        kind: The kind of document.
        token: The token of the document.
        table_id: The table that a Bitable link names, if any.
        view_id: The view that a Bitable link names, if any.
        sheet_id: The worksheet that a link to a spreadsheet names, if any.
    """

    kind: LinkKind
    token: str
    table_id: str | None = None
    view_id: str | None = None
    sheet_id: str | None = None


def parse(url: str) -> DocumentLink:
    """Read a link.

    Args:
        url: The link, such as `https://x.feishu.cn/base/bascn…?table=tbl…` or
            `https://x.larksuite.com/wiki/wikcn…`.

    Raises:
        InvalidRequestError: It is not a link to a Lark document.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # not a URL
        parts = urlsplit("")
    words = [word for word in parts.path.split("/") if word]
    for place, token in itertools.pairwise(words):
        if place in _KINDS and token not in _KINDS:  # folders are at /drive/folder/…
            query = parse_qs(parts.query)
            table_id, view_id, sheet_id = (query.get(name, [None])[0] for name in ("table", "view", "sheet"))
            return DocumentLink(_KINDS[place], token, table_id, view_id, sheet_id)
    raise InvalidRequestError(
        f"The link must lead to a Lark document, got {url[:120]!r}. Next: copy it from the address bar; it "
        "has /base/, /wiki/, /sheets/ or /docx/ in it."
    )


def find_document(token_or_url: str, kind: LinkKind) -> Procedure[DocumentLink]:
    """Find the document that a token or a link names; a wiki link is resolved to what it holds.

    See GET /open-apis/wiki/v2/spaces/get_node.

    Args:
        token_or_url: A token, which is returned unchanged, or a link.
        kind: The kind of document needed.

    Returns:
        The document.

    Raises:
        InvalidRequestError: It is empty, or a link to something else.
        NotFoundError: There is no such wiki page.
        PermissionDeniedError: The wiki page was not shared with the app.
    """
    name = "app_token" if kind == "bitable" else "token"
    if "://" not in check_str(name, token_or_url, f"the token of the {kind}, or its link"):
        return DocumentLink(kind, token_or_url)
    link = yield from follow(parse(token_or_url))
    _require(link, kind, token_or_url)
    return link


def follow(link: DocumentLink) -> Procedure[DocumentLink]:
    """Resolve a link to a wiki page to the document on it; return any other link unchanged.

    See GET /open-apis/wiki/v2/spaces/get_node.

    Args:
        link: What `parse` returned.
    """
    if link.kind != "wiki":
        return link
    cached = Memoize(("wiki.node", link.token), lambda: _read_node(link.token), _NODE_MAX_AGE)
    node = yield from memoize(cached)
    return link._replace(kind=node["obj_type"], token=node["obj_token"])


def _require(link: DocumentLink, kind: LinkKind, url: str) -> None:
    if link.kind != kind:
        raise InvalidRequestError(
            f"The link must lead to a {kind}, got a {link.kind}: {url[:120]!r}. Next: paste the link of the "
            f"{kind} itself."
        )


def parse_folder(token_or_url: str) -> str:
    """Return the token of the folder that a token or a link names.

    Args:
        token_or_url: A token, which is returned unchanged, or a link.

    Raises:
        InvalidRequestError: It is a link to something else.
    """
    if not isinstance(token_or_url, str):
        raise InvalidRequestError(
            f"A folder must be a str, got {token_or_url!r:.80}. Next: pass its token or its link."
        )
    if "://" not in token_or_url:
        return token_or_url
    link = parse(token_or_url)
    _require(link, "folder", token_or_url)
    return link.token


def parse_table(app_token: str, table_id: str | None) -> tuple[str, str | None]:
    """Return the base and table named, as far as that is known without a request.

    Args:
        app_token: The base's token, or a link to it.
        table_id: The table; None for the one that the link names.

    Returns:
        app_token and table_id; of a wiki page, whose base only Lark knows, the page's token.
    """
    if "://" not in app_token:
        return app_token, table_id
    link = parse(app_token)
    return link.token, table_id or link.table_id


def find_table(app_token: str, table_id: str | None) -> Procedure[tuple[str, str]]:
    """Find the base and table that an operation is about.

    Args:
        app_token: The base's token, or a link to it or to the wiki page that holds it.
        table_id: The table; None for the one that the link names.

    Returns:
        app_token and table_id.

    Raises:
        InvalidRequestError: No table is named, or the link leads to something else.
    """
    link = yield from find_document(app_token, "bitable")
    chosen_id = table_id or link.table_id
    if not chosen_id:
        raise InvalidRequestError(
            f"table_id must be given unless app_token is a link that names a table, got {table_id!r}. Next: "
            "pass the table_id (tbl…), or the link from the address bar with ?table=… in it."
        )
    check_str("table_id", chosen_id, "the table_id (tbl…)")
    return link.token, chosen_id


def _read_node(token: str) -> Procedure[dict[str, Any]]:
    call = make_request("GET", fill_path("/wiki/v2/spaces/get_node"), params={"token": token})
    node: dict[str, Any] = (yield from perform(call)).data["node"]
    return node
