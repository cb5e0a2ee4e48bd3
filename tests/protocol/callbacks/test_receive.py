"""What is accepted, and what is refused with which status."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lark_provider.errors import ConfigurationError, LarkError
from lark_provider.protocol.callbacks import (
    Action,
    CallbackKeys,
    CallbackRefusedError,
    CardClick,
    Challenge,
    Delivery,
    Event,
    Incoming,
    Operator,
    get_kind,
    make_log_fields,
    read,
    receive,
)
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN, dump, make_headers, seal_body

BOTH = CallbackKeys(APP, KEY, TOKEN)
ONLY_KEY = CallbackKeys(APP, encrypt_key=KEY)
ONLY_TOKEN = CallbackKeys(APP, verification_token=TOKEN)


def send(
    content: object, keys: CallbackKeys = BOTH, now: float = NOW, **signing: Any
) -> Challenge | Delivery:
    """Encrypt, sign and receive."""
    body = seal_body(content)
    return receive(Incoming(make_headers(body, **signing), body), keys, now)


def plain(content: object, keys: CallbackKeys = ONLY_TOKEN, **options: Any) -> Challenge | Delivery:
    return receive(Incoming({}, dump(content)), keys, NOW, **options)


@contextmanager
def expect_refusal(status: int, text: str) -> Iterator[None]:
    with pytest.raises(CallbackRefusedError, match=text) as caught:
        yield
    assert caught.value.status == status
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert KEY not in shown
    assert TOKEN not in shown
    assert "Next: " in str(caught.value)


# --- accepted ---


def test_a_click_is_read_whole() -> None:
    action: dict[str, Any] = {
        "tag": "select_static",
        "name": "who",
        "value": {"k": ["v", 1, None]},
        "form_value": {"reason": "fine", "dates": ["2024-04-01 +0800"]},
        "option": "a",
        "options": ["a", "b"],
        "input_value": "text",
        "checked": False,
        "timezone": "Asia/Shanghai",
    }
    click = send(sender.card(action))
    content = sender.card(action)
    del content["header"]["token"]
    assert click == CardClick(
        event_id="f7984f25108f8137722bb63c00000001",
        app_id=APP,
        tenant_key="2df73991750a0001",
        operator=Operator(
            open_id="ou_3c14f3a59eaf2825dbe25359f15768aa",
            user_id="867b0001",
            union_id="on_574d639e4a44e4dd646eaf628e2b0001",
            tenant_key="2df73991750a0001",
        ),
        action=Action(**{**action, "options": ("a", "b")}),
        message_id="om_574d639e4a44e4dd646eaf628e2b0001",
        chat_id="oc_e4d2605ca917e695f54f11aaf56d0001",
        token="c-295ee57216a5dc9de90fefd0aadb4b1d7d0001",
        created_at=datetime.fromtimestamp(NOW, UTC),
        raw=content,
    )


def test_an_event_of_either_schema_is_read() -> None:
    event_2 = send(sender.make_event())
    assert isinstance(event_2, Event)
    assert (event_2.event_id, event_2.type) == ("5e3702a84e847582be8db7fb73283c02", "im.message.receive_v1")
    assert (event_2.app_id, event_2.tenant_key) == (APP, "2df73991750a0001")
    assert event_2.created_at == datetime.fromtimestamp(NOW, UTC)
    assert event_2.event == sender.make_event()["event"]

    event_1 = send(sender.make_event_1())
    assert isinstance(event_1, Event)
    assert (event_1.event_id, event_1.type) == ("bc447199585340d1f3728d26b1c0297a", "p2p_chat_create")
    assert (event_1.app_id, event_1.tenant_key) == (APP, "2df73991750a0001")
    assert event_1.created_at == datetime.fromtimestamp(NOW, UTC)


def test_a_dashboard_tells_clicks_from_events_and_a_log_line_names_either() -> None:
    click, *events = (
        send(payload) for payload in (sender.card(), sender.make_event(), sender.make_event_1())
    )
    assert isinstance(click, CardClick)
    assert get_kind(click) == "click"
    assert make_log_fields(click) == {"app_id": APP, "event_id": click.event_id}
    for event in events:
        assert isinstance(event, Event)
        assert get_kind(event) == "event"
        assert make_log_fields(event) == {"app_id": APP, "event_id": event.event_id}


@pytest.mark.parametrize("content", [sender.card(), sender.make_event(), sender.make_event_1()])
def test_raw_has_no_verification_token_and_reads_again_as_the_same(content: dict[str, Any]) -> None:
    received = send(content)
    assert not isinstance(received, Challenge)
    assert TOKEN not in json.dumps(received.raw)
    assert read(json.loads(json.dumps(received.raw))) == received


def test_a_challenge_needs_no_signature() -> None:
    body = seal_body(sender.challenge())
    received = receive(Incoming({}, body), BOTH, NOW)
    assert received == Challenge("ajls384k-你好")
    assert json.loads(received.answer) == {"challenge": "ajls384k-你好"}
    assert send(sender.challenge()) == received
    assert plain(sender.challenge()) == received
    assert receive(Incoming({}, body), ONLY_KEY, NOW) == received


def test_an_event_that_calls_itself_a_challenge_is_an_event() -> None:
    content = {**sender.make_event(), "type": "url_verification", "challenge": "abc"}
    assert isinstance(send(content), Event)
    body = seal_body(content)
    with expect_refusal(401, "neither signed with the encrypt key"):
        receive(Incoming({}, body), BOTH, NOW)


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title, str.swapcase])
def test_header_names_may_have_any_case(change: Any) -> None:
    body = seal_body(sender.card())
    named = {change(name): value for name, value in make_headers(body).items()}
    assert isinstance(receive(Incoming(named, body), BOTH, NOW), CardClick)


def test_with_one_key_known_that_one_is_asked_for() -> None:
    assert isinstance(send(sender.card(token="of another caller"), ONLY_KEY), CardClick)
    assert isinstance(plain(sender.card()), CardClick)
    assert isinstance(plain(sender.make_event_1()), Event)


# --- keys ---


@pytest.mark.parametrize("blank", [None, "", "  ", "\n"])
@pytest.mark.parametrize("key", ["", None, "  "])
def test_an_app_without_keys_takes_nothing(blank: str | None, key: str | None) -> None:
    keys = CallbackKeys(APP, blank, blank)
    for content in (sender.card(token=key or ""), sender.challenge(key or ""), sender.challenge(), {}):
        for body in (dump(content), seal_body(content, key or "")):
            with expect_refusal(403, "No encrypt key or verification token"):
                receive(Incoming(make_headers(body, key=key or ""), body), keys, NOW, accept_old_cards=True)


def test_an_empty_key_signs_nothing_where_only_the_token_is_known() -> None:
    body = seal_body(sender.card(), key="")
    with expect_refusal(401, "no encrypt key is configured for app cli_a5fb0ae6a4000001"):
        receive(Incoming(make_headers(body, key=""), body), ONLY_TOKEN, NOW)


@pytest.mark.parametrize("token", ["", None, 7, [], {}, TOKEN + " ", TOKEN[:-1], "é"])
def test_only_the_right_token_is_taken(token: Any) -> None:
    for content in (
        sender.card(token=token),
        {**sender.make_event_1(), "token": token},
        sender.challenge(token),
    ):
        with expect_refusal(401, "verification token"):
            plain(content)
        with expect_refusal(401, "verification token"):
            send(content)


def test_a_missing_token_is_a_wrong_one() -> None:
    for content in (sender.card(), sender.make_event_1(), sender.challenge()):
        content.pop("token", None)
        content.get("header", {}).pop("token", None)
        with expect_refusal(401, "verification token"):
            plain(content)
        with expect_refusal(401, "verification token"):
            send(content)


def test_keys_are_checked_and_never_shown() -> None:
    assert KEY not in repr(BOTH)
    assert TOKEN not in repr(BOTH)
    replaced = CallbackKeys("cli_1", KEY, TOKEN, (("an-old-key", 9.0),), (("an-old-token", 9.0),))
    held = (replaced, replaced.list_encrypt_keys(0.0), replaced.verification_tokens(0.0))
    assert not any(secret in repr(held) for secret in (KEY, TOKEN, "an-old-key", "an-old-token"))
    for wrong in ("", "  ", None):
        with pytest.raises(ConfigurationError, match="app_id must be a non-empty string"):
            CallbackKeys(wrong, KEY)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="encrypt_key of app cli_1 must be a string, got bytes"):
        CallbackKeys("cli_1", b"key")  # type: ignore[arg-type]


def test_nothing_secret_is_shown_of_what_was_received() -> None:
    body = seal_body(sender.card())
    assert repr(Incoming(make_headers(body), body)) == "Incoming()"
    click = send(sender.card())
    assert isinstance(click, CardClick)
    assert click.token is not None
    assert click.token not in repr(click)


# --- refused ---


def test_with_an_encrypt_key_a_plain_body_is_refused_however_well_signed() -> None:
    for content in (sender.card(), sender.make_event_1(), sender.challenge()):
        body = dump(content)
        with expect_refusal(401, "neither signed with the encrypt key"):
            receive(Incoming({}, body), BOTH, NOW)
        with expect_refusal(400, "does not contain an encrypted JSON object"):
            receive(Incoming(make_headers(body), body), BOTH, NOW)


@pytest.mark.parametrize(
    "inside", [b"", b"null", b"[]", b'"text"', b"{", b"\xff\xfe", b'{"a":NaN}', b"[" * 5000 + b"]" * 5000]
)
def test_what_is_encrypted_and_signed_must_be_an_object(inside: bytes) -> None:
    body = dump({"encrypt": sender.seal(inside)})
    with expect_refusal(400, "does not contain an encrypted JSON object"):
        receive(Incoming(make_headers(body), body), BOTH, NOW)


@pytest.mark.parametrize("encrypt", [None, 1, [], {}, "", "=", "AAAA", "é", "P37w+VZImNgPEO1RBhJ6RtKl"])
def test_a_signed_body_with_garbage_for_a_cipher(encrypt: Any) -> None:
    body = dump({"encrypt": encrypt})
    with expect_refusal(400, "does not contain an encrypted JSON object"):
        receive(Incoming(make_headers(body), body), BOTH, NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"[]", b"1", b'"a"', b"{", b"{}}", b"\xef\xbb\xbf{}", b"a=b", b"\x00", b"[" * 9000],
)
def test_a_body_that_is_no_object(body: bytes) -> None:
    for keys in (BOTH, ONLY_KEY, ONLY_TOKEN):
        with expect_refusal(400, "The body is not a JSON object"):
            receive(Incoming(make_headers(body), body), keys, NOW)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "gbk"])
def test_a_body_in_another_encoding(encoding: str) -> None:
    for keys in (BOTH, ONLY_TOKEN):
        body = dump(sender.challenge()).decode().encode(encoding)
        with expect_refusal(400, "The body is not a JSON object"):
            receive(Incoming(make_headers(body), body), keys, NOW)


def test_a_large_body_is_refused_unread() -> None:
    body = seal_body(sender.card({"value": "x" * 1000}))
    assert isinstance(receive(Incoming(make_headers(body), body), BOTH, NOW, max_bytes=len(body)), CardClick)
    with expect_refusal(413, f"has {len(body)} bytes; the limit is "):
        receive(Incoming(make_headers(body), body), BOTH, NOW, max_bytes=len(body) - 1)
    with expect_refusal(413, "the limit is 1048576"):
        receive(Incoming({}, b"x" * (1024 * 1024 + 1)), BOTH, NOW)


@pytest.mark.parametrize("app_id", [None, "", ...])
def test_an_event_that_names_no_app_gets_the_one_that_it_was_proven_for(app_id: Any) -> None:
    content = sender.make_event_1(app_id=app_id)
    if app_id is ...:
        del content["event"]["app_id"]
    for event in (send(content), plain(content)):
        assert isinstance(event, Event)
        assert (event.app_id, event.event["app_id"]) == (APP, APP)
        assert read(event.raw) == event


def test_another_app_s_click_is_refused() -> None:
    for content in (sender.card(app_id="cli_other"), sender.make_event_1(app_id="cli_other")):
        with expect_refusal(403, "for an app other than cli_a5fb0ae6a4000001"):
            send(content)
        with expect_refusal(403, "for an app other than cli_a5fb0ae6a4000001"):
            plain(content)
    assert isinstance(send(sender.card(app_id="cli_other"), CallbackKeys("cli_other", KEY, TOKEN)), CardClick)


@pytest.mark.parametrize("name", ["X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature"])
@pytest.mark.parametrize("how", ["missing", "empty", "changed", "twice"])
def test_each_signature_header_counts(name: str, how: str) -> None:
    body = seal_body(sender.card())
    sent_headers = make_headers(body)
    value = sent_headers.pop(name)
    if how == "twice":
        sent_headers |= {name: value, name.lower(): value}
    elif how != "missing":
        sent_headers[name] = "" if how == "empty" else value + "0"
    with expect_refusal(401, "neither signed with the encrypt key"):
        receive(Incoming(sent_headers, body), BOTH, NOW)


def test_a_signature_by_another_key_or_with_another_body() -> None:
    body = seal_body(sender.card())
    for forged in (
        make_headers(body, key="other"),
        make_headers(body + b" "),
        make_headers(body, algorithm="sha1"),
    ):
        with expect_refusal(401, "neither signed with the encrypt key"):
            receive(Incoming(forged, body), BOTH, NOW)


def test_who_cannot_sign_is_told_the_same_whatever_is_wrong() -> None:
    opened = sender.seal(dump(sender.card()))
    bodies = [
        seal_body(sender.card()),
        seal_body(sender.challenge("wrong token")),
        seal_body({**sender.challenge(), "challenge": 1}),
        seal_body({"schema": "2.0"}),
        dump({"encrypt": sender.seal(b"no JSON")}),
        dump({"encrypt": opened[:-24] + "A" * 24}),
        dump({"encrypt": "AAAA"}),
        dump({"encrypt": 1}),
        seal_body(sender.challenge(), key="another key"),
        dump(sender.challenge()),
        dump({}),
    ]
    errors = set()
    for body in bodies:
        with pytest.raises(CallbackRefusedError) as caught:
            receive(Incoming(make_headers(body, key="guessed"), body), BOTH, NOW)
        errors.add((str(caught.value), caught.value.status, caught.value.__cause__))
    assert len(errors) == 1


# --- time ---


@pytest.mark.parametrize(
    ("content", "ages", "too_old"),
    [
        (sender.card, (-300, 0, 300), (-301, 301, 86400)),
        (sender.make_event, (-300, 0, 27_000), (-301, 27_001)),
        (sender.make_event_1, (-300, 0, 27_000), (-301, 27_001)),
    ],
)
def test_deliveries_outside_their_time_window_are_refused(
    content: Any, ages: tuple[int, ...], too_old: tuple[int, ...]
) -> None:
    for age in ages:
        assert isinstance(send(content(), now=NOW + age), Delivery)
    for age in too_old:
        with expect_refusal(401, " s are accepted"):
            send(content(), now=NOW + age)


@pytest.mark.parametrize(
    "timestamp", ["2026-10-04 18:40:00.052290112 +0800 CST m=+3612.1", str(int(NOW * 1000))]
)
def test_the_header_s_time_comes_in_several_notations(timestamp: str) -> None:
    long_ago = sender.card(now=0)
    now = 1791110400 if "-" in timestamp else NOW
    assert isinstance(send(long_ago, timestamp=timestamp, now=now), CardClick)
    with expect_refusal(401, " s are accepted"):
        send(long_ago, timestamp=timestamp, now=now + 301)


def test_the_body_s_time_serves_where_the_header_s_is_a_date_in_other_words() -> None:
    timestamp = "Monday, 05-Oct-26 01:46:40 CST"
    assert isinstance(send(sender.card(), timestamp=timestamp), CardClick)
    with expect_refusal(401, "only -300 to 300 s are accepted"):
        send(sender.card(), timestamp=timestamp, now=NOW + 301)


@pytest.mark.parametrize(
    "timestamp",
    ["", "now", "é", "-1", "+1791100000", "1e9", "nan", "inf", "0x6ac1", "1_791_100_000", "9" * 20],
)
def test_what_is_signed_with_no_time_at_all_is_refused(timestamp: str) -> None:
    with expect_refusal(401, "readable time stamp"):
        send(sender.card(), timestamp=timestamp)


def test_what_is_signed_with_digits_of_another_script_is_refused() -> None:
    with expect_refusal(401, "readable time stamp"):
        send(
            sender.card(),
            timestamp=str(int(NOW)).translate({ord("0") + n: chr(0x660 + n) for n in range(10)}),
        )


def test_what_is_signed_without_a_nonce_is_refused() -> None:
    with expect_refusal(401, "time stamp or no nonce"):
        send(sender.card(), nonce="")


@given(st.text("0123456789 :+-.abc", min_size=1, max_size=12), st.integers(-20, 20), st.floats(301, 1e9))
def test_moving_the_border_of_timestamp_and_nonce_makes_nothing_fresh(
    nonce: str, by: int, age: float
) -> None:
    """Lark signs both without a mark between them, so this much can be forged."""
    body = seal_body(sender.card())
    given_ = make_headers(body, nonce=nonce)
    both = given_["X-Lark-Request-Timestamp"] + nonce
    border = min(max(10 + by, 0), len(both))
    given_ |= {"X-Lark-Request-Timestamp": both[:border], "X-Lark-Request-Nonce": both[border:]}
    with expect_refusal(401, "s are accepted|time stamp or no nonce"):
        receive(Incoming(given_, body), BOTH, NOW + age)


# --- old cards ---


def old(keys: CallbackKeys = BOTH, now: float = NOW, *, accept: bool = True, **signing: Any) -> Any:
    body = dump(sender.old_card())
    signing = {"key": TOKEN, "algorithm": "sha1", **signing}
    return receive(Incoming(make_headers(body, **signing), body), keys, now, accept_old_cards=accept)


def test_old_cards_are_refused_until_allowed() -> None:
    with expect_refusal(401, "old card callback .* allow old cards"):
        old(accept=False)
    for keys in (BOTH, ONLY_TOKEN):
        click = old(keys)
        assert isinstance(click, CardClick)
        assert click.operator == Operator("ou_sdfimx9948345", "eu_sd923r0sdf5", tenant_key="d32004232")
        assert click.action == Action(tag="button", value={"key": "v"})
        assert (click.message_id, click.chat_id) == ("om_abcdefg1234567890", "oc_1")
        assert (click.token, click.app_id, click.tenant_key) == ("c-old", APP, "d32004232")
        assert click.created_at == datetime.fromtimestamp(NOW, UTC)
        assert read(json.loads(json.dumps(click.raw))) == click


def test_an_old_card_delivered_twice_has_one_id() -> None:
    assert old().event_id == old().event_id
    assert old().event_id != old(nonce="another").event_id


def test_an_old_card_must_be_signed_with_the_token_and_be_of_now() -> None:
    forged: list[dict[str, Any]] = [{"key": "wrong"}, {"key": KEY}, {"algorithm": "sha256"}, {"key": ""}]
    for signing in forged:
        with expect_refusal(401, "is not signed with the verification token"):
            old(**signing)
    with expect_refusal(401, "is not signed with the verification token"):
        old(ONLY_KEY, key="")
    with expect_refusal(401, "only -300 to 300 s are accepted"):
        old(now=NOW + 301)
    with expect_refusal(401, "readable time stamp"):
        old(timestamp="Monday, 05-Oct-26 01:46:40 CST")


# --- the error ---


def test_a_refusal_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CallbackRefusedError("text", status=413)))  # noqa: S301 - ours
    assert issubclass(CallbackRefusedError, LarkError)
    assert (str(error), error.status, error.retryable) == ("text", 413, False)
