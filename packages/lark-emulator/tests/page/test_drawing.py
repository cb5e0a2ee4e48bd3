from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lark_emulator
import pytest
from tests.page import gallery

if TYPE_CHECKING:
    from tests.page.conftest import Page

STATIC = Path(lark_emulator.__file__).parent / "page" / "static"


def png(red: int, green: int, blue: int, side: int = 64) -> bytes:
    """Return a square of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def upload(page: Page) -> str:
    answer = page.api.http.post(
        "/open-apis/im/v1/images", data={"image_type": "message"}, files={"image": png(20, 86, 240)}
    )
    return str(answer.json()["data"]["image_key"])


def put(page: Page, card: dict[str, Any]) -> str:
    """Put a card into the chat whatever a strict emulator says about it: some show what is refused."""
    sent = page.send({"schema": "2.0", "body": {"elements": []}})
    page.lark._lark.world.messages[sent].sent = json.dumps(card)
    return sent


def _tags(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["tag"]} if isinstance(value.get("tag"), str) else set()
        return own.union(*(_tags(child) for child in value.values()))
    return set().union(*(_tags(child) for child in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("schema", ["1.0", "2.0"])
def test_every_component_is_drawn_without_complaints(page: Page, schema: str) -> None:
    key = upload(page)
    cards = gallery.newer(key) if schema == "2.0" else gallery.older(key)
    sent = [put(page, card) for card in cards]
    for dark, language in ((False, "en-GB"), (True, "zh-CN")):
        page.browser.dark(on=dark)
        page.browser.speak(language)
        page.browser.open("about:blank")
        page.browser.wait("location.href === 'about:blank'")
        page.open("#/chats/oc_emulator_data_team")  # chosen, so that it stays open on a narrow screen
        page.browser.wait("document.querySelector('.logo')")
        names = [page.wait_until_drawn(message_id) for message_id in sent]
        said = page.browser.ask("document.querySelector('.rail').innerText")
        assert ("消息" in said, "Chats" in said) == (language == "zh-CN", language == "en-GB")
        drawn = set(
            page.browser.ask("[...document.querySelectorAll('.element')].map(one => one.dataset.tag)")
        )
        wanted = _tags([card.get("body", card.get("elements", [])) for card in cards])
        inline = {"plain_text", "lark_md", "text_tag", "column", "standard_icon", "custom_icon", "brand_new"}
        assert wanted - drawn - inline == set()
        texts = [page.browser.ask(f"{name}.innerText") for name in names]
        unsaid = "未绘制组件" if language == "zh-CN" else "is not drawn"
        assert [n for n, text in enumerate(texts) if "“brand_new”" in text and unsaid in text] == (
            [1] if schema == "2.0" else []
        )
        if schema == "1.0":
            assert ("中文" in texts[1], "English" in texts[1]) == (language == "zh-CN", language == "en-GB")
            assert "AAq1" in texts[3]
        else:
            assert "标题" in texts[0] if language == "zh-CN" else "Header" in texts[0]
        image = "[...document.querySelectorAll('.card img')]"
        page.browser.wait(f"{image}.length > 8 && {image}.every(one => one.complete && one.naturalWidth)")
        page.browser.wait("document.querySelectorAll('.card .placeholder').length > 0")  # of `img_unknown`
        for width in (1200, 375):
            page.browser.resize(width, 800, phone=width == 375)
            page.browser.wait("document.documentElement.scrollWidth <= innerWidth")
            messages = "document.querySelector('.messages-inner')"  # the page may be drawing itself again
            page.browser.wait(f"{messages} && {messages}.scrollWidth <= {messages}.clientWidth")
        page.browser.resize(1200, 1600)
        complaints = page.browser.complaints()
        assert [complaint for complaint in complaints if "img_unknown" not in complaint] == []


def test_colours_are_those_of_the_palette(page: Page) -> None:
    names = [
        put(page, {"schema": "2.0", "header": gallery.make_header(colour)}) for colour in gallery.TEMPLATES
    ]
    colours = {"blue": ("e0e9ff", "173166"), "red": ("fee3e2", "591f1d"), "yellow": ("faedc2", "473409")}
    for dark in (False, True):
        page.browser.dark(on=dark)
        page.open()
        for template, pair in colours.items():
            card = page.wait_until_drawn(names[gallery.TEMPLATES.index(template)])
            ground = page.browser.ask(
                f"getComputedStyle({card}.querySelector('.card-header')).backgroundColor"
            )
            wanted = pair[dark]
            assert ground == f"rgb({', '.join(str(int(wanted[n : n + 2], 16)) for n in (0, 2, 4))})"


def test_posts_files_and_pictures_are_drawn(page: Page) -> None:
    key = upload(page)
    lines = [
        [
            {"tag": "text", "text": "bold", "style": ["bold", "underline"]},
            {"tag": "a", "text": "a", "href": "https://x.y"},
        ],
        [
            {"tag": "at", "user_id": "bob"},
            {"tag": "emotion", "emoji_type": "OK"},
            {"tag": "img", "image_key": key},
        ],
        [{"tag": "md", "text": "- item"}],
        [{"tag": "code_block", "language": "SQL", "text": "select '<b>'"}, {"tag": "hr"}],
    ]
    post = page.send({"en_us": {"title": "Title", "content": lines}}, "post")
    picture = page.send({"image_key": key}, "image")
    answer = page.api.http.post(
        "/open-apis/im/v1/files",
        data={"file_type": "stream", "file_name": "report <b>.csv"},
        files={"file": b"a,b\n"},
    ).json()
    file = page.send({"file_key": answer["data"]["file_key"]}, "file")
    page.open()
    text = page.browser.ask(f"{page.wait_until_drawn(post)}.innerText")
    assert all(part in text for part in ("Title", "bold", "@Bob", "👌", "item", "select '<b>'"))
    page.browser.wait(f"{page.wait_until_drawn(picture)}.querySelector('img').naturalWidth === 64")
    page.browser.click(f"{page.wait_until_drawn(picture)}.querySelector('button')")
    page.browser.wait("document.querySelector('.dialog img')?.naturalWidth === 64")
    page.browser.press("Enter")
    saved = page.browser.ask(f"{page.wait_until_drawn(file)}.querySelector('a').href")
    got = page.api.http.get(saved)
    assert got.content == b"a,b\n"
    assert got.headers["content-disposition"] == "attachment"
    assert got.headers["x-content-type-options"] == "nosniff"


def test_everything_that_is_said_is_said_in_chinese_too() -> None:
    sources = [path for path in (STATIC / "js").rglob("*.js") if path.name != "zh.js"]
    texts = "\n".join(path.read_text() for path in sources)
    said = set(re.findall(r'\bt\(\s*"((?:[^"\\]|\\.)*)"', texts)) - {"audio"}
    for name, pattern in (
        ("faults", r'^  \["([^"]+)", \{'),
        ("main", r'^  \["\w+", "(\w+)"'),
        ("bases", r'\d+: "([^"]+)"'),
    ):
        [path] = [source for source in sources if source.stem == name]
        said |= set(re.findall(pattern, path.read_text(), re.MULTILINE))
    known = re.findall(
        r'^  (?:"((?:[^"\\]|\\.)*)"|(\w+)):', (STATIC / "js" / "zh.js").read_text(), re.MULTILINE
    )
    assert len(said) > 140
    assert said - {quoted or bare for quoted, bare in known} == set()
