"""The official SDK with its own address of Lark, through the forward proxy: nothing in it is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lark_emulator import Emulator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.conftest import Sdk


@pytest.mark.parametrize("domain", ["FEISHU_DOMAIN", "LARK_DOMAIN"])
def test_the_sdk_finds_it_by_its_proxy(
    sdk: Sdk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, domain: str
) -> None:
    with Emulator(proxy=True, authority=tmp_path) as lark:
        monkeypatch.setenv("HTTPS_PROXY", lark.base_url)
        monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(lark.authority_file))
        builder = sdk.lark.Client.builder().app_id(lark.app_id).app_secret(lark.app_secret)
        client = builder.domain(getattr(sdk.lark, domain)).log_level(sdk.lark.LogLevel.CRITICAL).build()
        answer = client.request(sdk.bot_info())
        assert answer.success(), answer.msg
        body = {"receive_id": "oc_emulator_data_team", "msg_type": "text", "content": '{"text": "hi"}'}
        request = sdk.request(sdk.im, "CreateMessage", body, receive_id_type="chat_id")
        assert client.im.v1.message.create(request).success()
        assert [entry["status"] for entry in lark.requests()] == [200, 200, 200]
