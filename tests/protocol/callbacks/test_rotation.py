"""While a key is replaced, requests under the previous one are genuine, until its end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import (
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Challenge,
    Incoming,
    receive,
)
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN

OLD, OLDER = ("old key", "old token"), ("older key", "older token")
END = NOW + 60
KEYS = CallbackKeys(
    APP, KEY, TOKEN, ((OLD[0], END), (OLDER[0], END)), ((OLD[1], END), (OLDER[1], END), ("  ", END))
)
PAIRS = [(key, token) for key in (KEY, OLD[0], OLDER[0]) for token in (TOKEN, OLD[1], OLDER[1])]


def take(key: str, content: Any, *, now: float = NOW, keys: CallbackKeys = KEYS, **options: Any) -> Any:
    body = sender.seal_body(content, key)
    headers = sender.make_headers(body, key=key, timestamp=str(int(now)))
    return receive(Incoming(headers, body), keys, now, **options)


@pytest.mark.parametrize(("key", "token"), PAIRS)
def test_each_key_and_each_token_that_count_are_taken(key: str, token: str) -> None:
    assert isinstance(take(key, sender.card(token=token)), CardClick)
    body = sender.seal_body(sender.challenge(token), key)
    assert isinstance(receive(Incoming({}, body), KEYS, NOW), Challenge)


@pytest.mark.parametrize(("key", "token"), PAIRS)
def test_previous_ones_end(key: str, token: str) -> None:
    content = sender.card(token=token, now=END)
    if (key, token) == (KEY, TOKEN):
        assert isinstance(take(key, content, now=END), CardClick)
    else:
        with pytest.raises(CallbackRefusedError) as caught:
            take(key, content, now=END)
        assert (caught.value.status, caught.value.may_be_stale) == (401, True)


def test_a_plain_request_and_an_old_card_are_measured_by_all_tokens() -> None:
    only = CallbackKeys(APP, None, TOKEN, (), ((OLD[1], END),))
    for token, now in ((TOKEN, NOW), (OLD[1], NOW), (TOKEN, END)):
        body = sender.dump(sender.card(token=token))
        assert isinstance(receive(Incoming({}, body), only, now), CardClick)
        body = sender.dump(sender.old_card())
        headers = sender.make_headers(body, key=token, timestamp=str(int(now)), algorithm="sha1")
        assert isinstance(receive(Incoming(headers, body), only, now, accept_old_cards=True), CardClick)
    for token, now in ((OLD[1], END), (OLDER[1], NOW), ("", NOW)):
        body = sender.dump(sender.card(token=token))
        with pytest.raises(CallbackRefusedError, match="verification token is missing, or is not that of"):
            receive(Incoming({}, body), only, now)
        body = sender.dump(sender.old_card())
        headers = sender.make_headers(body, key=token, timestamp=str(int(now)), algorithm="sha1")
        with pytest.raises(CallbackRefusedError, match="is not signed with the verification token"):
            receive(Incoming(headers, body), only, now, accept_old_cards=True)


def test_which_key_does_not_fit_is_not_told() -> None:
    """The body of one key under the signature of another, and whatever else an attacker can put together."""
    said = set()
    for inside in (KEY, OLD[0], "guess"):
        body = sender.seal_body(sender.card(), inside)
        for outside in ("guess", "guess 2"):
            with pytest.raises(CallbackRefusedError) as caught:
                receive(Incoming(sender.make_headers(body, key=outside), body), KEYS, NOW)
            said.add((str(caught.value), caught.value.status, caught.value.may_be_stale))
    assert len(said) == 1


def test_a_signature_of_one_key_opens_no_content_of_another() -> None:
    body = sender.seal_body(sender.card(), OLD[0])
    with pytest.raises(CallbackRefusedError, match="does not contain an encrypted JSON object"):
        receive(Incoming(sender.make_headers(body, key=KEY), body), KEYS, NOW)


@given(values=st.lists(st.sampled_from(["a", "b", "c"]), max_size=4), now=st.integers(0, 4))
def test_all_candidates_are_compared_whichever_fits(values: list[str], now: int) -> None:
    previous = tuple((value, float(end)) for end, value in enumerate(values))
    keys = CallbackKeys(APP, "current", None, previous)
    assert keys.list_encrypt_keys(now) == ("current", *(value for value, end in previous if end > now))


@pytest.mark.parametrize("name", ["encrypt_key", "verification_token"])
def test_previous_values_need_a_current_one(name: str) -> None:
    """Else more would be let in once the last of them has ended."""
    with pytest.raises(ConfigurationError, match=f"{name} of app .* must be set if previous values are"):
        CallbackKeys(APP, **{f"previous_{name}s": (("old", END),)})  # type: ignore[arg-type]


def test_keys_show_nothing() -> None:
    assert not any(secret in repr(KEYS) for secret in (KEY, TOKEN, *OLD, *OLDER))
