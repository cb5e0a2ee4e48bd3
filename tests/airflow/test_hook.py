from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from lark_emulator import Emulator

from lark_provider.errors import ConfigurationError
from lark_provider.hooks import LarkHook as LazyHook
from lark_provider.hooks import extras
from lark_provider.hooks.exports import require_airflow
from lark_provider.hooks.lark import LarkHook
from lark_provider.hooks.webhook import LarkWebhookHook
from lark_provider.support.once import Once
from tests.airflow.conftest import CHAT, connection


def test_the_connection_is_proven_by_the_bot(lark: Emulator) -> None:
    ok, text = LarkHook().test_connection()
    assert ok
    assert "Emulator bot" in text


def test_a_wrong_secret_is_told_in_the_form(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, password="wrong-secret-1"))
    ok, text = LarkHook().test_connection()
    assert not ok
    assert "Failed to get token: 10014" in text
    assert "wrong-secret-1" not in text


def test_the_client_is_made_once_and_works(lark: Emulator) -> None:
    hook = LarkHook()
    assert hook.get_conn() is hook.client
    assert hook.client.messaging.send_text(CHAT, "hi").data["message_id"]
    assert LazyHook is LarkHook


def test_the_asynchronous_client(lark: Emulator) -> None:
    async def send() -> str:
        client = await LarkHook().get_async_conn()
        return (await client.messaging.send_text(CHAT, "hi")).data["message_id"]

    assert asyncio.run(send()).startswith("om_")


def test_a_uri_works_as_well(lark: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    host = lark.base_url.replace(":", "%3A").replace("/", "%2F")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", f"lark://{lark.app_id}:{lark.app_secret}@{host}")
    assert LarkHook().test_connection()[0]


def test_a_misspelled_extra_is_named(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(extras, "_logged", Once())
    extra = {"redirect_all": "alice@example.com", "owners": {}}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra))
    LarkHook().get_conn()
    ok, text = LarkHook().test_connection()
    assert ok
    assert text.endswith(" Unknown extras are ignored: redirect_all. Next: check their spelling.")
    [record] = [record for record in caplog.records if record.message == "Connection has unknown extras"]
    assert vars(record).items() >= {"connection": "lark_default", "extras": "redirect_all"}.items()


def test_a_hook_with_a_connection_type_of_its_own_works(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OwnHook(LarkHook):
        conn_type = "own_lark"

    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra={"team": "data"}))
    assert OwnHook().test_connection()[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"login": ""}, "must have a login"),
        ({"password": None}, "must have a password"),
        ({"host": "fishu"}, "got 'fishu'"),
        ({"host": "http://lark.example.com"}, "must begin with https://"),
        ({"extra": '{"redirect_all_to": "oc_test",}'}, "extra of connection 'lark_default' must be a JSON"),
        ({"extra": '["oc_test"]'}, "extra of connection 'lark_default' must be a JSON object"),
    ],
)
def test_a_connection_that_cannot_work_is_named(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], text: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, **changes))
    with pytest.raises(ConfigurationError, match=text):
        LarkHook().client  # noqa: B018 - making it is the test
    assert LarkHook().test_connection()[0] is False


@pytest.mark.parametrize(
    ("host", "port", "base_url"),
    [
        ("feishu", 443, "https://open.feishu.cn"),
        ("LARK", 443, "https://open.larksuite.com"),
        (None, 443, "https://open.feishu.cn"),
        ("https://lark.example.com", 8443, "https://lark.example.com:8443"),
        ("https://lark.example.com", None, "https://lark.example.com"),
        ("https://lark.example.com/", 443, "https://lark.example.com"),
        ("https://Lark.Example.com:443", None, "https://lark.example.com"),
        ("https://example.com/lark/open-apis", 8443, "https://example.com:8443/lark"),
        ("http://127.0.0.1:8765", 443, "http://127.0.0.1:8765"),
    ],
)
def test_a_port_belongs_to_a_url_and_does_not_harm_a_name(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, host: str | None, port: int | None, base_url: str
) -> None:
    monkeypatch.delenv("LARK_BASE_URL")
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, host=host, port=port))
    assert LarkHook().client.base_url == base_url
    monkeypatch.setenv(
        "AIRFLOW_CONN_LARK_WEBHOOK_DEFAULT",
        json.dumps({"conn_type": "lark_webhook", "password": "tok-1", "host": host, "port": port}),
    )
    assert LarkWebhookHook().client.base_url == base_url


@pytest.mark.parametrize(
    ("extra", "verify"),
    [
        ({}, True),
        ({"verify": "false"}, False),
        ({"verify": False}, False),
        ({"verify": "/ca.pem"}, "/ca.pem"),
    ],
)
def test_extras_reach_the_client(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], verify: bool | str
) -> None:
    proxy = {"proxy": "http://u:pass-word-1@127.0.0.1:1"}
    monkeypatch.setenv("AIRFLOW_CONN_LARK_DEFAULT", connection(lark, extra=extra | proxy))
    wire = LarkHook().client._session.wire
    assert wire.verify == verify
    assert wire.proxy == "http://u:pass-word-1@127.0.0.1:1"


@pytest.mark.parametrize("field", ["password", "proxy"])
def test_airflow_masks_what_is_secret_in_a_connection(field: str) -> None:
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    assert should_hide_value_for_key(field)  # type: ignore[no-untyped-call]  # Airflow's


def test_an_old_airflow_gets_one_clear_sentence() -> None:
    require_airflow("3.2.0")
    require_airflow("3.10.1")
    require_airflow("4.0.0")
    for version in ("2.11.2", "3.0.6", "3.1.8"):
        with pytest.raises(ConfigurationError, match=f"need Apache Airflow 3.2 or later, got {version}"):
            require_airflow(version)
    with pytest.raises(ConfigurationError, match="not installed"):
        require_airflow(None)
