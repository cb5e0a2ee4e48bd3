"""`LOG_FORMAT=json`: one object a line, whatever is logged, and no secrets in it."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import ConfigurationError, LarkAPIError
from lark_provider.utils import logger as module
from lark_provider.utils.json_lines import JsonFormatter
from lark_provider.utils.logger import setup_logger

LOGGER = logging.getLogger("lark_provider")
CHILD = logging.getLogger("lark_provider.engine.somewhere")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    monkeypatch.setenv("LOG_FORMAT", "json")


def format_line(message: str, *args: Any, **record: Any) -> dict[str, Any]:
    """Return a log record as it is written, parsed from JSON; check that it is one line of UTF-8."""
    log_record = logging.LogRecord(
        "lark_provider.x", logging.WARNING, "f", 1, message, args, record.pop("exc_info", None)
    )
    vars(log_record).update(record)
    text = JsonFormatter().format(log_record)
    assert len(text.splitlines()) == 1
    parsed: dict[str, Any] = json.loads(text.encode())
    return parsed


def test_a_line_has_time_level_logger_message_and_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logger()
    fields = {"app_id": "cli_a", "event_id": "e1", "seconds": 1.5, "count": 3, "is_on": True, "nothing": None}
    CHILD.info("完成 ✅ %s", "now", extra=fields)
    CHILD.debug("too much")
    written = json.loads(capsys.readouterr().err)
    time = written.pop("time")
    assert time.endswith("+00:00")
    assert "T" in time
    assert written == {
        "level": "INFO",
        "logger": "lark_provider.engine.somewhere",
        "message": "完成 ✅ now",
        **fields,
    }


def test_secrets_are_masked_as_in_text() -> None:
    error = ValueError("postgresql://lark:pa55word@db/x with app_secret=s3cret0")
    logged = format_line(
        "Authorization: Bearer %s",
        "t-g104abcdefghijkl",
        exc_info=(ValueError, error, None),
        app_secret="s3cret-1",
        token=["s3cret-2"],
        url="postgresql://lark:s3cret-3@db/x",
        nested={"password": "x", "error": "access_token=s3cret-4"},
    )
    text = json.dumps(logged)
    for secret in ("pa55word", "s3cret", "g104abcdefghijkl"):
        assert secret not in text
    assert logged["app_secret"] == logged["token"] == "***"
    assert "ValueError" in logged["exception"]


def test_the_log_id_of_larks_errors_is_a_field() -> None:
    error = LarkAPIError("failed", code=1, log_id="2026112600000")
    assert format_line("Failed: %s", error)["log_id"] == "2026112600000"
    assert format_line("Failed", exc_info=(LarkAPIError, error, None))["log_id"] == "2026112600000"
    assert format_line("Failed: %s", error, log_id="another")["log_id"] == "another"
    assert "log_id" not in format_line("Failed: %s", ValueError("x"))


def test_a_field_does_not_replace_what_every_line_has() -> None:
    logged = format_line("m", level="x", time="y", logger="z", exception="w")
    assert logged["level"] == "WARNING"
    assert (logged["level_"], logged["time_"], logged["logger_"], logged["exception_"]) == (
        "x",
        "y",
        "z",
        "w",
    )


@given(
    st.text(),
    st.dictionaries(
        st.sampled_from(["app_id", "error", "reason", "n"]),
        st.one_of(st.text(), st.integers(), st.floats(), st.binary(), st.none(), st.lists(st.text())),
    ),
)
def test_whatever_is_logged_is_one_line_of_json(message: str, fields: dict[str, Any]) -> None:
    logged = format_line(message.replace("%", "%%"), **fields)
    assert fields.keys() <= logged.keys()


def test_a_lone_surrogate_can_be_written() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.handle(logging.makeLogRecord({"msg": "a\udc80b", "name": "x"}))
    stream.flush()
    assert json.loads(stream.buffer.getvalue())["message"] == "a\udc80b"


def test_another_format_is_an_error_for_setup_logger_and_nothing_to_a_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ConfigurationError, match=r"LOG_FORMAT must be text or json, got 'xml'\. Next: "):
        setup_logger()
    assert isinstance(module.make_lenient_formatter(), module.RedactingFormatter)


def test_commands_print_their_warnings_as_json_too() -> None:
    code = """if True:
        import logging
        from lark_provider.cli.logs import show_fields
        show_fields()
        logging.getLogger("lark_provider.x").warning("Degraded", extra={"app_id": "cli_a"})
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    logged = json.loads(done.stderr)
    assert (logged["message"], logged["app_id"]) == ("Degraded", "cli_a")
