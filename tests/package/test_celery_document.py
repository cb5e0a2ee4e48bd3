"""The page about Celery: its worker sends messages, and its handler hands clicks on."""

from __future__ import annotations

import subprocess
import textwrap
import time
from pathlib import Path

from lark_emulator import Emulator

from tests.failures.waiting import wait_until
from tests.package.environments import environment, run
from tests.package.pages import python

CELERY = "celery==5.7.0"


def test_a_worker_sends_and_a_click_is_handed_on(
    lark: Emulator, rabbitmq: str, tmp_path: Path, wheel: Path
) -> None:
    task, handler = python("how-to/celery.md")
    programs = environment(tmp_path / "environment", wheel, CELERY, pins={})
    (tmp_path / "orders.py").write_text(task.replace("amqp://localhost", rabbitmq))
    (tmp_path / "web.py").write_text("from orders import notify\n\n" + handler)
    use = """
        from lark_provider.protocol.callbacks import read
        from orders import notify
        from tests_click import CLICK
        from web import on_delivery

        notify.delay("alice@example.com", "hello")
        print(on_delivery(read(CLICK)).decode())
    """
    click = {
        "schema": "2.0",
        "header": {
            "event_id": "e1", "create_time": str(int(time.time() * 1e6)),
            "event_type": "card.action.trigger", "tenant_key": "t", "app_id": lark.app_id,
        },
        "event": {
            "operator": {"open_id": "ou_emulator0001_alice", "tenant_key": "t"},
            "action": {"value": {}, "tag": "button", "name": "report"},
            "context": {"open_message_id": "om_1", "open_chat_id": "oc_1"},
        },
    }  # fmt: skip
    (tmp_path / "tests_click.py").write_text(f"CLICK = {click!r}\n")
    worker = [str(programs / "celery"), "-A", "orders", "worker", "--pool", "solo", "--loglevel", "warning"]
    with subprocess.Popen(worker, cwd=tmp_path) as running:  # noqa: S603 - ours
        try:
            printed = run(programs / "python", "-c", textwrap.dedent(use), cwd=tmp_path)
            assert "Working on it." in printed
            sent = "POST /open-apis/im/v1/messages"
            wait_until(lambda: lark.state(summary=True)["by_endpoint"].get(sent, 0) == 2, 60)
        finally:
            running.terminate()
            running.wait(20)
