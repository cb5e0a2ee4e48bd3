"""Log lines as an operator sees them: with their fields."""

from __future__ import annotations

import pytest

from lark_provider.utils.logger import RedactingFormatter

_FORMATTER = RedactingFormatter("%(levelname)s %(name)s: %(message)s")


def format_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return this package's log lines, in order."""
    return [_FORMATTER.format(record) for record in caplog.records if record.name.startswith("lark_provider")]


def read_lines(caplog: pytest.LogCaptureFixture) -> str:
    """Return this package's log lines as one text."""
    return "\n".join(format_lines(caplog))
