"""Two hosts at one database that differ in what they know: a clear error or a miss, never an overwrite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
from lark_emulator import Emulator

from lark_provider.storage.crypto import KEY_VARIABLE, generate_key
from tests.failures import work
from tests.failures.conftest import Ask
from tests.failures.crowd import Crowd, unwrap_values
from tests.services.postgres import OwnPostgres


@pytest.fixture
def registry(lark: Emulator, server: OwnPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configure the registry in the shared database, as the only source of the app's secret."""
    monkeypatch.setenv("LARK_REGISTRY_PATH", server.url)
    monkeypatch.delenv("LARK_APP_SECRET")


def test_hosts_with_different_keys(
    lark: Emulator, fetched: Callable[[], int], registry: None, ask: Ask
) -> None:
    environ, other = ({KEY_VARIABLE: generate_key()} for _ in range(2))
    with Crowd(1, environ=environ) as first, Crowd(1, environ=other) as second:
        [added] = first.all(work.add_app, lark.app_id, lark.app_secret)
        [called] = first.all(work.call)
        assert (added.error, called.error) == ("", "")
        rows = ask("SELECT * FROM applications"), ask("SELECT * FROM tokens")
        [unread] = second.all(work.call)
        [refused] = second.all(work.add_app, lark.app_id, "another-secret")
        [unrotated] = second.all(work.rotate, f"{generate_key()},{other[KEY_VARIABLE]}")
        assert unread.error.startswith("DecryptionError: ")
        assert unrotated.error.startswith("DecryptionError: ")
        assert "already, encrypted with another key. Next: " in refused.error
        assert KEY_VARIABLE in unread.error
        assert (ask("SELECT * FROM applications"), ask("SELECT * FROM tokens")) == rows
        assert first.all(work.call)[0].error == ""
    assert fetched() == 1


def test_hosts_with_different_secrets(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    with Crowd(1) as right, Crowd(1, environ={"LARK_APP_SECRET": "wrong"}) as wrong:
        assert right.all(work.call)[0].error == ""
        rows = ask("SELECT * FROM tokens")
        for _ in range(2):
            [refused] = wrong.all(work.call)
            assert refused.error.startswith("TokenAcquisitionError: Failed to get token: 10014 ")
        assert ask("SELECT * FROM tokens") == rows
        assert fetched() == 2  # Lark is not asked again with a secret that it has just refused
        assert right.all(work.forget)[0].error == right.all(work.call)[0].error == ""
    assert fetched() == 2


def test_hosts_whose_clocks_differ(lark: Emulator, fetched: Callable[[], int], ask: Ask) -> None:
    with Crowd(1) as first, Crowd(1) as other:
        for crowd, ahead in ((first, 86400.0), (other, -86400.0)):
            assert crowd.all(work.call_later, ahead)[0].error == ""
        lark.revoke_tokens()
        for crowd, ahead in ((other, -86400.0), (first, 86400.0)):
            assert crowd.all(work.call_later, ahead)[0].error == ""
    assert fetched() == 2


def test_hosts_whose_clocks_are_far_off_share_one_token(
    lark: Emulator, fetched: Callable[[], int], server: OwnPostgres
) -> None:
    """One whose clock has begun again, four that drift; a token lasts for two hours."""
    with ExitStack() as stack:
        hosts = {ahead: stack.enter_context(Crowd(1)) for ahead in (-40 * 86400, -3600, 0, 600, 3 * 3600)}
        tokens = [
            unwrap_values(host.all(work.call_later, float(ahead)))
            for _ in range(3)
            for ahead, host in hosts.items()
        ]
    assert len(tokens) == 15
    assert all(token == tokens[0] for token in tokens)
    assert fetched() == 1
