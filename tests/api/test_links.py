"""Links as they are pasted from the address bar."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.api import links
from lark_provider.api.clouddoc import bitable
from lark_provider.api.links import DocumentLink
from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.calls import LarkResponse
from lark_provider.protocol.effects import Memoize


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (
            "https://x.feishu.cn/base/bascn1?table=tbl1&view=vew1",
            DocumentLink("bitable", "bascn1", "tbl1", "vew1"),
        ),
        ("  https://x.larksuite.com/base/bascn1/  ", DocumentLink("bitable", "bascn1")),
        ("https://x.feishu.cn/wiki/wikcn1?table=tbl1", DocumentLink("wiki", "wikcn1", "tbl1")),
        ("https://x.feishu.cn/sheets/shtcn1?sheet=0b1", DocumentLink("sheet", "shtcn1", sheet_id="0b1")),
        ("https://x.feishu.cn/wiki/wikcn1?sheet=0b1", DocumentLink("wiki", "wikcn1", sheet_id="0b1")),
        ("https://x.feishu.cn/slides/sldcn1", DocumentLink("slides", "sldcn1")),
        ("https://x.feishu.cn/docx/doxcn1#part", DocumentLink("docx", "doxcn1")),
        ("https://x.feishu.cn/docs/doccn1", DocumentLink("doc", "doccn1")),
        ("https://x.feishu.cn/file/boxcn1", DocumentLink("file", "boxcn1")),
        ("https://x.feishu.cn/drive/folder/fldcn1", DocumentLink("folder", "fldcn1")),
        ("https://lark.example.com:8443/space/base/bascn1", DocumentLink("bitable", "bascn1")),
    ],
)
def test_a_link_says_what_it_leads_to(url: str, link: DocumentLink) -> None:
    assert links.parse(url) == link


@pytest.mark.parametrize(
    "url", ["https://x.feishu.cn", "https://x.feishu.cn/base/", "https://[x/base/b", "://"]
)
def test_what_is_no_link_is_named(url: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"must lead to a Lark document, got .* Next: copy it"):
        links.parse(url)


@given(st.text() | st.text().map(lambda text: f"https://{text}/base/{text}?{text}"))
def test_any_text_is_a_link_or_is_named(text: str) -> None:
    with suppress(InvalidRequestError):
        assert links.parse(text).token


def resolve(procedure: Any, node: dict[str, str]) -> Any:
    """Run a procedure that looks up a wiki page's node, and return its result."""
    try:
        effect = next(procedure)
        assert isinstance(effect, Memoize)
        making = effect.make()
        next(making)
        try:
            making.send(LarkResponse(0, "success", {"node": node}))
        except StopIteration as finished:
            procedure.send(finished.value)
    except StopIteration as stop:
        return stop.value


@pytest.mark.parametrize("kind", ["sheet", "docx", "bitable"])
def test_a_wiki_page_is_what_it_holds(kind: Any) -> None:
    page = "https://x.feishu.cn/wiki/wikcn1?table=tbl1"
    document = resolve(links.find_document(page, kind), {"obj_type": kind, "obj_token": "tok1"})
    assert (document.kind, document.token) == (kind, "tok1")
    with pytest.raises(InvalidRequestError, match="got a slides"):
        resolve(links.find_document(page, kind), {"obj_type": "slides", "obj_token": "tok1"})


def test_a_base_goes_into_a_folder_that_is_pasted() -> None:
    call = bitable.create_app("B", folder_token="https://x.feishu.cn/drive/folder/fldcn1")
    assert orjson.loads(call.body or b"") == {"name": "B", "folder_token": "fldcn1"}
    with pytest.raises(InvalidRequestError, match="must lead to a folder, got a docx"):
        bitable.create_app("B", folder_token="https://x.feishu.cn/docx/d1")
