"""The oracle of the emulator: the official SDK, unchanged, pointed at it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark_emulator import Emulator


class Sdk:
    """`lark_oapi`, loaded once (it takes over a second), and short ways to its builders."""

    def __init__(self) -> None:
        self.lark = importlib.import_module("lark_oapi")
        self.im = importlib.import_module("lark_oapi.api.im.v1")
        self.authen = importlib.import_module("lark_oapi.api.authen.v1")
        self.auth = importlib.import_module("lark_oapi.api.auth.v3")
        self.application = importlib.import_module("lark_oapi.api.application.v6")
        self.bitable = importlib.import_module("lark_oapi.api.bitable.v1")
        self.approval = importlib.import_module("lark_oapi.api.approval.v4")
        self.contact = importlib.import_module("lark_oapi.api.contact.v3")
        self.drive = importlib.import_module("lark_oapi.api.drive.v1")
        self.drive2 = importlib.import_module("lark_oapi.api.drive.v2")
        self.docx = importlib.import_module("lark_oapi.api.docx.v1")
        self.sheets = importlib.import_module("lark_oapi.api.sheets.v3")
        self.wiki = importlib.import_module("lark_oapi.api.wiki.v2")
        self._tokens = importlib.import_module("lark_oapi.core.token.manager").TokenManager

    def forget_tokens(self) -> None:
        """Empty the SDK's token cache, which is one per process and knows an app only by its id."""
        self._tokens.cache.cache.clear()

    def client(
        self, lark: Emulator, app_id: str | None = None, secret: str | None = None, *, store: bool = False
    ) -> Any:
        return (
            self.lark.Client.builder()
            .app_id(app_id or lark.app_id)
            .app_secret(secret or lark.app_secret)
            .app_type(self.lark.AppType.ISV if store else self.lark.AppType.SELF)
            .domain(lark.base_url)
            .log_level(self.lark.LogLevel.CRITICAL)
            .build()
        )

    def client_for_users(self, lark: Emulator) -> Any:
        """Return a client that takes the token of each call from its options, as those of users must be."""
        builder = self.lark.Client.builder().app_id(lark.app_id).app_secret(lark.app_secret)
        return builder.domain(lark.base_url).enable_set_token(True).build()

    def bot_info(self) -> Any:
        """Return the request for `GET /bot/v3/info`."""
        return self.plain("GET", "/open-apis/bot/v3/info")

    def plain(self, method: str, uri: str, body: Any = None) -> Any:
        """Return a request for which the SDK has no model."""
        request = self.lark.BaseRequest.builder().http_method(self.lark.HttpMethod[method]).uri(uri)
        if body is not None:
            request.body(body)
        return request.token_types({self.lark.AccessTokenType.TENANT}).build()

    @staticmethod
    def request(api: Any, name: str, body: Any = None, *, model: str = "", **parts: Any) -> Any:
        """Build `<name>Request` with its typed body (`model`, by default `<name>RequestBody`)."""
        builder = getattr(api, f"{name}Request").builder()
        for part, value in parts.items():
            getattr(builder, part)(value)
        if body is not None:
            builder.request_body(getattr(api, model or f"{name}RequestBody")(body))
        return builder.build()


@pytest.fixture(scope="session")
def loaded_sdk() -> Sdk:
    return Sdk()


@pytest.fixture
def sdk(loaded_sdk: Sdk) -> Iterator[Sdk]:
    loaded_sdk.forget_tokens()
    yield loaded_sdk
    loaded_sdk.forget_tokens()
