"""docs/en/how-to/older-airflow.md: what it says runs in an environment without Airflow."""

from __future__ import annotations

from lark_emulator import Emulator

from tests.tutorials.conftest import Open


def test_what_is_said_for_an_older_airflow_runs_without_any(lark: Emulator, opened: Open) -> None:
    machine = {
        "BOT_URL": lark.add_webhook("Reports"),
        "LARK_BASE_URL": lark.base_url,
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
    }
    reader = opened("how-to/older-airflow.md", machine, {})
    blocks = [block for _, section in reader.sections() for block in section]
    alone, client = [block.code for block in blocks if block.language == "python"]
    reader.type_commands(f"cat > alone.py <<'END'\n{alone}END\npython3 alone.py\n")
    for block in blocks:
        reader.follow(block)
    reader.type_commands(f"cat > client.py <<'END'\n{client}END\nlark/bin/python client.py\n")
    reader.type_commands("! lark/bin/python -c 'import airflow' 2> none.txt\n")
    state = lark.state()
    [bot] = state["webhooks"]
    assert [sent["content"] for sent in bot["messages"]] == [{"text": "✅ orders loaded"}] * 2
    [message] = state["chats"][0]["messages"]
    assert message["content"] == {"text": "✅ orders loaded"}
