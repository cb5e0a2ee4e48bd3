"""An app's address is asked for a challenge before it gets clicks."""

from __future__ import annotations

import threading

import pytest
from lark_emulator import Emulator
from tests.emulator.app_server import AppServer, Reply, accept_everything
from tests.emulator.conftest import Api


def test_an_address_is_asked_for_the_challenge(lark: Emulator, app: AppServer) -> None:
    callback = lark.set_callback(app.url, verification_token="vt")
    (request,) = app.received
    assert request.json == {"challenge": request.json["challenge"], "token": "vt", "type": "url_verification"}
    assert "X-Lark-Signature" not in request.headers
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert callback == {
        "app_id": lark.app_id,
        "url": app.url,
        "event_url": app.url,
        "encrypt_key": "",
        "verification_token": "vt",
    }


def test_two_addresses_are_both_asked(lark: Emulator, app: AppServer) -> None:
    callback = lark.set_callback(f"{app.url}/cards?x=1", event_url=f"{app.url}/events")
    assert {request.path for request in app.received} == {"/lark/cards?x=1", "/lark/events"}
    assert len(callback["verification_token"]) == 32


def test_with_a_key_the_challenge_is_hidden(lark: Emulator, app: AppServer) -> None:
    with pytest.raises(ValueError, match="did not return the challenge"):
        lark.set_callback(app.url, encrypt_key="key")
    assert list(app.received[0].json) == ["encrypt"]


@pytest.mark.parametrize(
    "answer",
    [
        Reply(),
        Reply(body=b'{"challenge":"other"}'),
        Reply(body=b"ok"),
        Reply(status=404),
        Reply(status=302, headers={"Location": "http://127.0.0.1/"}),
    ],
)
def test_an_address_that_does_not_return_it_is_not_taken(
    lark: Emulator, app: AppServer, answer: Reply
) -> None:
    lark.set_callback(app.url, verification_token="first")
    app.answer = lambda _: answer
    with pytest.raises(ValueError, match="did not return the challenge"):
        lark.set_callback(f"{app.url}/new")
    assert lark.state(summary=True)["apps"][0]["callback"]["url"] == app.url


def test_an_address_that_is_too_slow(lark: Emulator, app: AppServer) -> None:
    release = threading.Event()
    app.answer = lambda request: accept_everything(request) if release.wait(10) else Reply()
    lark.settings(challenge_timeout=0.05)
    with pytest.raises(ValueError, match=r"no answer within 0\.05 s"):
        lark.set_callback(app.url)
    release.set()


@pytest.mark.parametrize("url", ["ftp://example.com/x", "localhost:80", "http://"])
def test_what_is_no_address(lark: Emulator, url: str) -> None:
    with pytest.raises(ValueError, match="callback URL"):
        lark.set_callback(url, verify=False)


def test_the_keys_never_show(lark: Emulator, api: Api, app: AppServer) -> None:
    lark.set_callback(app.url, encrypt_key="hidden-key", verification_token="hidden-token", verify=False)
    assert app.received == []
    seen = api.http.get("/_emulator/state").text
    assert "hidden" not in seen
    assert lark.state()["apps"][0]["callback"] == {
        "url": app.url,
        "event_url": app.url,
        "encrypted": True,
        "old_cards": False,
    }
