"""What the SDK has to be, and what it is made to do, without the SDK."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace
from typing import Any

import pytest

from lark_provider.callbacks import official
from lark_provider.errors import ConfigurationError


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(package: str) -> str:
        try:
            return versions[package.replace("-", "_")]
        except KeyError:
            raise PackageNotFoundError(package) from None

    monkeypatch.setattr(official, "version", version)


@pytest.mark.parametrize("version", ["1.7.3", "1.7.10", "1.10.0", "2.0", "1.7.5.post1"])
def test_new_versions_will_do(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, lark_oapi=version)
    official.check()


@pytest.mark.parametrize("version", ["1.7.2", "1.5.5", "0.9.9"])
def test_old_versions_will_not(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, lark_oapi=version)
    with pytest.raises(ConfigurationError, match=rf"1\.7\.3 or later; {version} is installed\. Next: "):
        official.check()


def test_none_at_all_will_not(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"it is not installed\. Next: pip install 'lark-oapi>="):
        official.check()


def test_only_a_proxy_needs_new_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lark_oapi="1.7.5", websockets="14.2")
    official.check()
    with pytest.raises(ConfigurationError, match="through a proxy with websockets 15 or later"):
        official.check("http://proxy:3128")
    install(monkeypatch, lark_oapi="1.7.5", websockets="15.0")
    official.check("http://proxy:3128")


class Sdk:
    """What `lark_oapi.ws.client` looks like."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.Client: type = type("Client", (), dict.fromkeys(official._RELIED_ON))
        self.posted: dict[str, Any] = {}
        self.requests = SimpleNamespace(post=lambda **given: self.posted.update(given))
        self._settings = settings

    def _ws_connect_kwargs(self, headers: dict[str, str] | None = None) -> dict[str, Any]:
        return self._settings | ({"additional_headers": headers} if headers else {})


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The SDK's logger."""
    log = logging.getLogger(official._LOG)
    before = log.handlers[:], log.propagate, log.level
    log.handlers[:] = [logging.StreamHandler()]
    yield log
    log.handlers[:], log.propagate, log.disabled = *before[:2], False
    log.setLevel(before[2])


def test_an_sdk_that_has_become_another_is_refused() -> None:
    sdk = Sdk({})
    sdk.Client = type("Client", (), dict.fromkeys(set(official._RELIED_ON) - {"_reconnect"}))
    with pytest.raises(ConfigurationError, match=r"which has no _reconnect\. Next: "):
        official.fit(sdk)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(("proxy", "websockets"), [("http://me:hidden@proxy", None), (None, None)])
def test_both_ways_out_have_the_proxy_and_an_end(proxy: str | None, websockets: None) -> None:
    sdk = Sdk({"proxy": websockets})
    official.fit(sdk, proxy)
    sdk.requests.post(url="u")
    assert sdk.posted["timeout"] > 0
    assert sdk.posted["proxies"] == (None if proxy is None else {"http": proxy, "https": proxy})
    assert sdk._ws_connect_kwargs({"a": "b"}) == {"proxy": proxy or True, "additional_headers": {"a": "b"}}


@pytest.mark.usefixtures("log")
def test_websockets_that_know_no_proxy_are_not_told_of_one() -> None:
    sdk = Sdk({})
    official.fit(sdk)
    assert sdk._ws_connect_kwargs() == {}


def test_what_the_sdk_says_has_no_credentials_in_it(
    log: logging.Logger, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    official.fit(Sdk({}))
    log.setLevel(logging.WARNING)
    log.info("connected to wss://lark/ws")
    log.error(
        "connect failed, err: wss://lark/ws?device_id=1&ticket=the-ticket is no URL: app_secret=the-secret"
    )
    assert [record.getMessage() for record in caplog.records] == [
        "The SDK says: connect failed, err: wss://lark/ws?*** is no URL: app_secret=***"
    ]
    assert caplog.records[0].levelno == logging.WARNING
    assert capsys.readouterr() == ("", "")
    official.hush()
    log.error("receive message loop exit")
    assert len(caplog.records) == 1
