"""docs/en/tutorials/first-message.md, followed word by word in a tenant that the local Lark plays."""

from __future__ import annotations

import re
from collections.abc import Callable

from lark_emulator import Emulator

from tests.tutorials.conftest import Open
from tests.tutorials.following import pattern

APP, SECRET = "cli_a1b2c3d4e5f6a7b8", "pasted-by-the-reader"
CHAT = "oc_84983ff6516d731e5b5f68d4ea2e1da5"
SCOPES = ["im:message", "im:chat:readonly"]


def test_a_reader_who_does_what_the_page_says_sends_a_message(lark: Emulator, opened: Open) -> None:
    def create() -> None:
        lark.add_app(APP, secret=SECRET, name="Reports", scopes=[], bot=False)
        lark.add_chat("Data team", chat_id=CHAT, users=["alice"])

    console: dict[
        str, Callable[[], object]
    ] = {  # what the reader does in the console and in Lark, by the section that says so
        "2. Create the app": create,
        "4. Add what is missing": lambda: lark.change_app(APP, bot=True, pending_scopes=SCOPES),
        "5. Publish a version": lambda: lark.change_app(APP, scopes=SCOPES, pending_scopes=[]),
        "6. Add the bot to a chat": lambda: lark.change_chat(CHAT, add_bots=[APP]),
    }
    machine = {"LARK_BASE_URL": lark.base_url}
    reader = opened("tutorials/first-message.md", machine, {"https://open.feishu.cn": lark.base_url})
    reader.answers["read -rs"] = f"{SECRET}\n"
    followed = []
    for section, blocks in reader.sections():
        if section in console:
            console[section]()
        for block in blocks:
            reader.follow(block)
        followed.append(section)
    assert followed == [
        "1. Install",
        "2. Create the app",
        "3. Ask what is missing",
        "4. Add what is missing",
        "5. Publish a version",
        "6. Add the bot to a chat",
        "7. Send",
    ]
    [chat] = [candidate for candidate in lark.state()["chats"] if candidate["chat_id"] == CHAT]
    text, card = [message["content"] for message in chat["messages"]]
    assert text == {"text": "Hello from the command line"}
    assert "Orders loaded" in str(card)


def test_what_a_page_shows_is_compared() -> None:
    shown = pattern("✓ app  0.2 ms  one\n…\n✓ bot  1.0 ms  R (ou_…)")
    said = "✓ app … ms  one\nmore\nand more\n✓ bot … ms  R (ou_1)"
    assert re.fullmatch(shown, said)
    assert not re.fullmatch(shown, said.replace("one", "two"))
    assert not re.fullmatch(shown, said + "\nmore")
    assert not re.fullmatch(shown, said.replace("R (ou_1)", "R"))
