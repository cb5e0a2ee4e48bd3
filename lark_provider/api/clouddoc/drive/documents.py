"""Find the document that a permission or file operation is about: Lark requires its kind with its token."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

from lark_provider.api import links
from lark_provider.protocol.arguments import check_choice
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.protocol.operations import Procedure

DocumentType: TypeAlias = Literal[
    "sheet", "folder", "bitable", "docx", "doc", "file", "wiki", "mindnote", "minutes", "slides"
]
_PREFIXES: dict[str, DocumentType] = {
    "sht": "sheet",
    "fld": "folder",
    "bas": "bitable",
    "dox": "docx",
    "doc": "doc",
    "box": "file",
    "wik": "wiki",
    "bmn": "mindnote",
}
_PREFIX_CHARS = 3
_OLD_TOKEN_CHARS = 5  # such as shtcn, followed by the id
_PARAMETER = 1063001


class Document(NamedTuple):
    """A file or folder: its token and its kind."""

    token: str
    type: DocumentType


def find_document(token: object, type: DocumentType | None = None) -> Procedure[Document]:  # noqa: A002
    """Find the document that a caller named.

    Args:
        token: A token, a link, or a `Sheet` or `Spreadsheet` of a client.
        type: Its kind; None if a link or the token's first letters show it.

    Returns:
        Its token and kind. A wiki page is resolved to what is on it, unless `type` is `wiki`.

    Raises:
        InvalidRequestError: The kind is unknown or needed.
    """
    if type is not None:
        check_choice("type", type, get_args(DocumentType), _PARAMETER)
    ref = getattr(token, "ref", token)
    if not isinstance(ref, str):
        token, type = getattr(ref, "token", ref), type or "sheet"  # noqa: A001
    if isinstance(token, str) and "://" in token:
        link = links.parse(token)
        if type != "wiki":
            link = yield from links.follow(link)
        if type is not None and link.kind != type:
            raise InvalidRequestError(
                f"The link must lead to a {type}, got a {link.kind}: {token[:120]!r}. Next: leave type= out.",
                code=_PARAMETER,
            )
        return Document(link.token, link.kind)
    kind = type or find_kind(token)
    if not isinstance(token, str) or not token.strip() or kind is None:
        raise InvalidRequestError(
            f"token must be a link, or a token beside type=, got {token!r}. Next: pass the link from the "
            "address bar, or type='sheet', 'folder', 'docx', 'bitable', 'file' or 'wiki'.",
            code=_PARAMETER,
        )
    return Document(token.strip(), kind)


def find_kind(token: object) -> DocumentType | None:
    """Return the kind that the first letters of an older token show, such as shtcn…; None for newer ones.

    Args:
        token: The token.
    """
    if not isinstance(token, str) or not token[_PREFIX_CHARS:_OLD_TOKEN_CHARS].isalpha():
        return None
    is_old = token[_PREFIX_CHARS:_OLD_TOKEN_CHARS] in {"cn", "us", "jp", "sg", "in", "c", "n"}
    return _PREFIXES.get(token[:_PREFIX_CHARS]) if is_old or token.startswith("bascn") else None
