"""docs/en/tutorials/local-lark.md, followed word by word."""

from __future__ import annotations

from tests.tutorials.conftest import Open
from tests.tutorials.following import state


def test_a_reader_without_a_tenant_sees_messages_faults_and_a_test(opened: Open, port: int) -> None:
    reader = opened("tutorials/local-lark.md", {"LARK_EMULATOR_PORT": str(port)}, {"8765": str(port)})
    for _, blocks in reader.sections():
        for block in blocks:
            reader.follow(block)
    private = [chat for chat in state(port)["chats"] if chat["chat_id"] != "oc_emulator_data_team"]
    assert [chat["messages"][0]["content"] for chat in private] == [{"text": "Good morning, Alice"}]
    shown = [block.code for _, blocks in reader.sections() for block in blocks if not block.language]
    greeting = shown[0].replace("8765", str(port))
    assert greeting.startswith("Lark emulator at ")
    assert greeting in reader.printed["lark-provider emulator"]
