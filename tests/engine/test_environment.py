"""The environment as a default argument: it is read when used, and its values are not shown."""

from __future__ import annotations

import inspect
import os

import pytest

from lark_provider import config
from lark_provider.callbacks.broker import amqp
from lark_provider.callbacks.http import keys
from lark_provider.engine.pools import Wire
from lark_provider.errors import ConfigurationError
from lark_provider.storage import crypto, engine, retention, urls
from lark_provider.support.environment import ENVIRONMENT

READERS = [
    amqp.read_broker,
    config.has_broker,
    config.find_app,
    config.resolve_base_url,
    config.has_database,
    config.has_registry,
    config.find_app_id,
    config.get_registry,
    crypto.EncryptionKeys.from_environment,
    engine.read_pool_settings,
    keys.from_environment,
    retention.Retention.from_environment,
    urls.database,
    urls.registry,
]


def test_its_values_are_read_when_used_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARK_APP_SECRET", "hunter2")
    assert ENVIRONMENT["LARK_APP_SECRET"] == "hunter2"
    assert dict(ENVIRONMENT) == dict(os.environ)
    assert len(ENVIRONMENT) == len(os.environ)
    assert "hunter2" not in repr(ENVIRONMENT) + str(ENVIRONMENT)


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_of_the_environment_uses_it(reader: object) -> None:
    assert inspect.signature(reader).parameters["environ"].default is ENVIRONMENT  # type: ignore[arg-type]


def test_urls_with_passwords_are_masked_where_they_are_held() -> None:
    wire = Wire("http://user:hunter2@proxy.example:3128")
    assert (wire.proxy, repr(wire.proxy)) == ("http://user:hunter2@proxy.example:3128", "'***'")
    with pytest.raises(ConfigurationError, match=r"got '…@proxy:3128'"):
        Wire("user:hunter2@proxy:3128")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://lark.example?token=hunter2", "'https://lark.example?…'"),
        ("https://lark.example/#hunter2", "'https://lark.example/#…'"),
        ("https://lark.example?mail=a@hunter2", "'…'"),
        ("https://u:hunter2?#@lark.example", "'…'"),
        ("https://u:hunter2@lark.example/?a", "'…@lark.example/?…'"),
    ],
)
def test_a_base_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        config.resolve_base_url(url)
    assert f"got {shown}. Next: " in str(refused.value)
