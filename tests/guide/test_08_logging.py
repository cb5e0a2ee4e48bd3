"""The guide's sections 8.1 and 10.3: logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider import LarkError, LarkServiceClient
from lark_provider.get_provider_info import get_provider_info
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.postgres_storage import PostgresStorage
from tests.guide.arrived import open_id, request_token
from tests.guide.reader import LARK, Database, Reader

CONNECTIONS: Any = get_provider_info()["connection-types"]
# /var/log/lark-service, but in the reader's folder.
LOG_FILE = "var/log/lark-service/app.log"
SETUP = f"""
# 在应用启动时配置日志
import logging
from lark_provider.utils.logger import setup_logger

# 设置日志级别
setup_logger(level=logging.INFO)

# 日志输出到文件
setup_logger(
    level=logging.INFO,
    log_file="{LOG_FILE}"
)
"""
LINES = """
logging.getLogger("lark_provider.client").info("完成 ✅")
logging.getLogger("lark_provider.client").debug("too much")
"""
CHATTY = """
import logging
from lark_provider import LarkError, LarkServiceClient
from lark_provider.utils.logger import setup_logger

logging.basicConfig(level=logging.DEBUG)  # every library's lines, httpx's and SQLAlchemy's too
setup_logger(level=logging.DEBUG, log_file="app.log")
with LarkServiceClient(app_id="cli_your_app_id") as client:
    print(client, client.messaging.send_text(receiver_id="ou_xxxxxxxx", content="Hello").code)
    try:
        client.messaging.send_text(receiver_id="oc_no_such_chat", content="Hello")
    except LarkError:
        logging.getLogger("lark_provider").exception("refused")
"""


@contextmanager
def tail(reader: Reader, file: str) -> Iterator[subprocess.Popen[str]]:
    """Run `tail -f` on a file until the end of the block."""
    with subprocess.Popen(  # noqa: S603 - the guide's command
        ["tail", "-f", file],  # noqa: S607 - wherever it is
        cwd=reader.folder,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("level", ["logging.INFO", "'INFO'", "'info'"])
def test_guide_52_a_level_is_an_int_or_a_name(level: str, reader: Reader) -> None:
    done = reader.python(SETUP.replace("logging.INFO", level) + LINES)
    (line,) = done.stderr.splitlines()
    assert line.endswith(" INFO lark_provider.client: 完成 ✅")


def test_guide_53_a_log_file_is_written_and_its_folder_made(reader: Reader) -> None:
    reader.python(SETUP + LINES)
    (line,) = (reader.folder / LOG_FILE).read_text("utf-8").splitlines()
    assert line.endswith(" INFO lark_provider.client: 完成 ✅")


def test_guide_54_called_twice_no_line_appears_twice(reader: Reader) -> None:
    """The guide's code calls it twice; an application may do so again, beside a root logger of its own."""
    done = reader.python("import logging\nlogging.basicConfig()" + SETUP + SETUP + LINES)
    assert done.stderr.count("完成") == 1
    assert (reader.folder / LOG_FILE).read_text("utf-8").count("完成") == 1


def test_guide_55_secrets_reach_no_log_error_or_repr(
    reader: Reader, upgraded: Database, lark: Emulator, apps: ApplicationManager
) -> None:
    done = reader.python(CHATTY.replace("ou_xxxxxxxx", open_id(lark)))
    log = (reader.folder / "app.log").read_text("utf-8")
    assert " DEBUG lark_provider" in log
    assert "Traceback" in log
    with pytest.raises(LarkError) as wrong_password, upgraded.password("another"):
        PostgresStorage(pool_size=1).execute("SELECT 1")
    with LarkServiceClient(app_id="cli_your_app_id") as client:
        client.messaging.send_text(receiver_id=open_id(lark), content="Hello")
    shown = [
        log,
        done.stdout,
        done.stderr,
        repr(client),
        repr(apps),
        repr(apps.decrypt_secrets("cli_your_app_id")),
    ]
    shown += [str(wrong_password.value), repr(wrong_password.value), repr(PostgresStorage())]
    key = os.environ["LARK_CONFIG_ENCRYPTION_KEY"]
    for secret in ("your_app_secret", LARK.password, request_token(lark), key):
        assert not [text for text in shown if secret in text]


@pytest.mark.parametrize("kind", [kind["connection-type"] for kind in CONNECTIONS])
def test_guide_55_secrets_do_not_reach_get_connections(kind: str) -> None:
    """What Airflow's API answers, with every secret that our connections can have."""
    from airflow.api_fastapi.core_api.datamodels.connections import ConnectionResponse

    (fields,) = (
        connection["conn-fields"] for connection in CONNECTIONS if connection["connection-type"] == kind
    )
    secret = [name for name, field in fields.items() if field["schema"].get("format") == "password"]
    kept = dict.fromkeys(ConnectionResponse.model_fields) | {
        "conn_id": "lark_default",
        "conn_type": kind,
        "schema": None,
        "password": "s3cret",
        "extra": json.dumps(dict.fromkeys(secret, "s3cret")),
    }
    answer = ConnectionResponse.model_validate(kept).model_dump_json()
    assert secret
    assert all(name in answer for name in secret)
    assert "s3cret" not in answer


def test_guide_68_the_log_can_be_tailed(reader: Reader) -> None:
    """A line is there when it was logged, and not when a buffer is full."""
    (reader.folder / LOG_FILE).parent.mkdir(parents=True)
    (reader.folder / LOG_FILE).touch()
    with tail(reader, LOG_FILE) as tailing:
        assert tailing.stdout is not None
        with subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", SETUP + LINES + "import sys; sys.stdin.read()"],
            cwd=reader.folder,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as app:
            assert tailing.stdout.readline().endswith("完成 ✅\n")
            assert app.poll() is None
            app.communicate()
