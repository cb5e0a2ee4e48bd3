"""What the official SDK sees of wiki pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def get_node(sdk: Sdk, client: Any, token: str, **query: str) -> Any:
    return client.wiki.v2.space.get_node(sdk.request(sdk.wiki, "GetNodeSpace", token=token, **query))


def test_a_page_leads_to_its_base(lark: Emulator, sdk: Sdk) -> None:
    client = sdk.client(lark)
    request = sdk.request(sdk.bitable, "CreateApp", {"name": "x"}, model="ReqApp")
    base = client.bitable.v1.app.create(request).data.app.app_token
    page = lark.add_wiki_node("bitable", base, title="Loads")
    by_page = get_node(sdk, client, page).data.node
    by_base = get_node(sdk, client, base, obj_type="bitable").data.node
    assert (by_page.obj_token, by_page.obj_type, by_page.title) == (base, "bitable", "Loads")
    assert (by_base.node_token, by_base.node_type, by_base.has_child) == (page, "origin", False)
    assert by_page.owner.startswith("ou_emulator0001_")


@pytest.mark.parametrize(
    ("token", "query", "code"),
    [
        ("wikcnnone", {}, 131005),
        ("doxcn1", {}, 131005),
        ("doxcn1", {"obj_type": "sheet"}, 131005),
        ("doxcn1", {"obj_type": "folder"}, 131002),
        ("", {}, 131002),
    ],
)
def test_pages_that_are_not_there(
    lark: Emulator, sdk: Sdk, token: str, query: dict[str, str], code: int
) -> None:
    lark.add_wiki_node("docx", "doxcn1")
    answer = get_node(sdk, sdk.client(lark), token, **query)
    assert (answer.code, answer.raw.status_code) == (code, 400)


def test_a_page_that_was_not_shared(lark: Emulator, sdk: Sdk) -> None:
    lark.add_app("cli_other", "s")
    page = lark.add_wiki_node("sheet", "shtcn1", shared_with=["cli_other"])
    assert get_node(sdk, sdk.client(lark), page).code == 131006
    assert get_node(sdk, sdk.client(lark, "cli_other", "s"), page).data.node.obj_token == "shtcn1"


@pytest.mark.parametrize(
    ("obj_type", "obj_token", "shared_with", "text"),
    [
        ("folder", "x", None, "'obj_type' must be one of"),
        ("bitable", "bascnnone", None, "no base 'bascnnone'"),
        ("docx", "", None, "'obj_token' is required"),
        ("docx", "doxcn1", ["cli_none"], "no app 'cli_none'"),
    ],
)
def test_pages_that_cannot_be_added(
    lark: Emulator, obj_type: str, obj_token: str, shared_with: Any, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        lark.add_wiki_node(obj_type, obj_token, shared_with=shared_with)
    assert lark.state()["wiki_nodes"] == []
