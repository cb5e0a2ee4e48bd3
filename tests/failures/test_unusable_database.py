"""A database that answers and is unusable: no message fails, one warning a minute, and it is used again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lark_emulator import Emulator

from tests.client.conftest import messages
from tests.failures.conftest import Ask
from tests.failures.stream import Stream, warnings
from tests.failures.waiting import wait_until
from tests.services.postgres import OwnPostgres, Role

APP = Role("lark_app", "app_password")
FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON tokens EXECUTE FUNCTION full_disk();
CREATE TRIGGER full_disk BEFORE INSERT ON leases EXECUTE FUNCTION full_disk();
"""
KICK = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'lark_app'"


@dataclass(frozen=True)
class Trouble:
    """What an operator does to a database, and how it is undone; what the warning says."""

    breaks: tuple[str, ...]
    mends: tuple[str, ...]
    says: str
    is_readable: bool = False
    """Whether tokens can still be read: then only a message that finds none notices."""


TROUBLES = {
    "read-only": Trouble(
        ("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"),
        "is read-only",
        is_readable=True,
    ),
    "full": Trouble(
        (FULL,), ("DROP FUNCTION full_disk CASCADE",), "No space left on device", is_readable=True
    ),
    "permission lost": Trouble(
        ("REVOKE ALL ON tokens, leases FROM lark_app",),
        ("GRANT SELECT, INSERT, UPDATE, DELETE ON tokens, leases TO lark_app",),
        "permission denied for table",
    ),
    "writing forbidden": Trouble(
        ("REVOKE INSERT, UPDATE ON tokens, leases FROM lark_app",),
        ("GRANT INSERT, UPDATE ON tokens, leases TO lark_app",),
        "permission denied for table",
        is_readable=True,
    ),
    "login forbidden": Trouble(
        ("ALTER ROLE lark_app NOLOGIN", KICK),
        ("ALTER ROLE lark_app LOGIN",),
        "",  # whoever was connected hears that it ended, the others that they may not
    ),
    "no connection left": Trouble(
        ("ALTER ROLE lark_app CONNECTION LIMIT 0", KICK), ("ALTER ROLE lark_app CONNECTION LIMIT -1",), ""
    ),
    "table gone": Trouble(
        ("ALTER TABLE tokens RENAME TO gone",), ("ALTER TABLE gone RENAME TO tokens",), "behind on migrations"
    ),
    "table locked": Trouble(("BEGIN", "LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE"), ("COMMIT",), ""),
}


@pytest.mark.parametrize("failure", TROUBLES.values(), ids=TROUBLES)
def test_a_stream_of_messages_goes_on(
    failure: Trouble,
    lark: Emulator,
    fetched: Callable[[], int],
    server: OwnPostgres,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ask("SET default_transaction_read_only = off")
    ask(f"CREATE ROLE lark_app LOGIN PASSWORD '{APP.password}'")
    ask("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO lark_app")
    monkeypatch.setenv("LARK_DATABASE_URL", server.server.build_url("postgres", APP))
    stream = Stream()

    def is_noticed() -> list[str]:
        # More than once: a session that learns of the change later than others may still store a token.
        if failure.is_readable:
            ask("DELETE FROM tokens")
        return warnings(caplog)

    with stream.running():
        stream.wait_for_more()
        assert fetched() == 1
        for statement in failure.breaks:
            ask(statement)
        wait_until(is_noticed)
        for _ in range(3):
            stream.wait_for_more()
        for statement in failure.mends:
            ask(statement)
        stream.until_used_again(fetched)
    assert stream.failed == []
    [warning] = warnings(caplog)
    assert failure.says in warning
    assert "Next: " in warning
    assert len(messages(lark)) == stream.sent
