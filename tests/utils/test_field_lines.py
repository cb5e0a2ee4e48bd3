"""Lines of this package in Airflow's processes, with their fields in the text."""

from __future__ import annotations

import logging

import pytest

from lark_provider.utils.field_lines import FieldHandler


def make_record(text: str, *values: object, **fields: object) -> logging.LogRecord:
    defaults = {"name": "lark_provider.x", "levelno": logging.WARNING, "levelname": "WARNING"}
    return logging.makeLogRecord({**defaults, "msg": text, "args": values, **fields})


def test_fields_are_shown_and_secrets_are_not(caplog: pytest.LogCaptureFixture) -> None:
    FieldHandler().handle(make_record("100%% %s", "done", app_id="cli_a", app_secret="hunter2"))
    assert caplog.messages == ["100% done: app_id=cli_a app_secret=***"]


def test_a_line_that_cannot_be_written_does_not_stop_who_writes_it(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    FieldHandler().handle(make_record("%d", "not a number"))
    assert caplog.messages == []
    assert "Logging error" in capsys.readouterr().err
