"""A plugin: no error that a test expects may show a secret in a frame of ours, or of what ours called.

Reporters such as Sentry send the local variables of every frame. So each error that `pytest.raises` catches
in the whole suite is looked at with its local variables, before the test goes on.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from lark_emulator.world.world import DEFAULT_APP_SECRET

import lark_provider

OURS = str(Path(lark_provider.__file__).parent)
TESTS = str(Path(__file__).parent)
PARTS = {
    "-emu": r"\b[tu]-emu[\w.-]{8,}",
    "t-raw": r"\bt-raw\b",
    "an encrypt key": r"\ban encrypt key\b",
    **{
        secret: secret
        for secret in (DEFAULT_APP_SECRET, "hunter2", "secret-AAA", "encrypt-BBB", "verify-CCC")
    },
}
"""What is in each secret, and its pattern: most variables are found to be clean a hundred times as fast."""
SECRETS = re.compile("|".join(PARTS.values()))


def shown_secrets(error: BaseException) -> list[str]:
    """Return the secrets that an error report would show, each with file, line, function and variable."""
    leaks: list[str] = []
    pending: list[BaseException | None] = [error]
    while pending:
        exception = pending.pop()
        if exception is None:
            continue
        pending += [exception.__cause__, None if exception.__suppress_context__ else exception.__context__]
        is_below = False
        for frame, line in traceback.walk_tb(exception.__traceback__):
            file = frame.f_code.co_filename
            is_below = (is_below or file.startswith(OURS)) and not file.startswith(TESTS)
            if is_below:
                leaks += [
                    f"{file}:{line} {frame.f_code.co_name}: {name} = {SECRETS.sub('…', shown)[:300]}"
                    for name, value in frame.f_locals.items()
                    if has_secret(shown := _safe_repr(value))
                ]
    return leaks


def has_secret(text: str) -> bool:
    """Return whether a text contains one of the suite's secrets."""
    return any(part in text for part in PARTS) and SECRETS.search(text) is not None


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - nested too deeply, half made, or without a repr: reporters skip it too
        return ""


@pytest.fixture(autouse=True)
def _canary(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = pytest.RaisesExc.__exit__

    def leave_watched(self: Any, kind: Any, error: Any, trace: Any) -> bool:
        result = leave(self, kind, error, trace)
        if error is not None and (leaks := shown_secrets(error)):
            pytest.fail("Secrets in the frames of an error:\n" + "\n".join(leaks))
        return result

    monkeypatch.setattr(pytest.RaisesExc, "__exit__", leave_watched)
