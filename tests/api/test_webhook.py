"""Messages of a custom bot before they are sent."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from lark_provider.api import webhook
from lark_provider.errors import ConfigurationError, InvalidRequestError, RateLimitError
from lark_provider.protocol.calls import Call, LarkResponse
from lark_provider.protocol.codes import CodeKind, get_code
from lark_provider.protocol.effects import NeedWebhook, Now, Random, Sleep
from lark_provider.protocol.operations import Procedure
from lark_provider.protocol.redact import redact
from lark_provider.protocol.webhook import Webhook, locate, sign_timestamp

TOKEN = "0f3c9a7e-aaaa-bbbb-cccc-1234567890ab"
BOT = Webhook("https://open.feishu.cn", TOKEN)
HOOK = f"https://open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}"


def make_call(operation: Procedure[Any], bot: Webhook = BOT, now: float = 1_700_000_000.9) -> Call[Any]:
    """Return the call that a procedure makes once it has received the bot and the time."""
    assert isinstance(next(operation), NeedWebhook)
    assert isinstance(operation.send(bot), Now)
    call = operation.send(now)
    assert isinstance(call, Call)
    return call


def read_body(call: Call[Any]) -> dict[str, Any]:
    payload: dict[str, Any] = orjson.loads(call.body or b"")
    return payload


def test_the_signature_has_larks_check_value() -> None:
    assert sign_timestamp("demo", "1700000000") == "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo="


def test_a_secret_signs_the_body() -> None:
    call = make_call(webhook.send_text("hi"), Webhook("https://open.feishu.cn", TOKEN, "demo"))
    assert read_body(call) == {
        "msg_type": "text",
        "content": {"text": "hi"},
        "timestamp": "1700000000",
        "sign": "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=",
    }


POST = {"zh_cn": {"title": "T", "content": [[{"tag": "text", "text": "a"}], [{"tag": "text", "text": "b"}]]}}
CARD = {"schema": "2.0", "body": {"elements": []}}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (
            lambda: webhook.send_text("嗨", mentions=["all"]),
            {"msg_type": "text", "content": {"text": '嗨 <at user_id="all"></at>'}},
        ),
        (lambda: webhook.send({"text": "x"}), {"msg_type": "text", "content": {"text": "x"}}),
        (
            lambda: webhook.send_post("a\nb", title="T"),
            {"msg_type": "post", "content": {"post": POST}},
        ),
        (lambda: webhook.send_post(POST), {"msg_type": "post", "content": {"post": POST}}),
        (lambda: webhook.send_post({"post": POST}), {"msg_type": "post", "content": {"post": POST}}),
        (lambda: webhook.send_image("img_1"), {"msg_type": "image", "content": {"image_key": "img_1"}}),
        (
            lambda: webhook.send({"image_key": "img_1"}, msg_type="image"),
            {"msg_type": "image", "content": {"image_key": "img_1"}},
        ),
        (
            lambda: webhook.send_share_chat("oc_1"),
            {"msg_type": "share_chat", "content": {"share_chat_id": "oc_1"}},
        ),
        (lambda: webhook.send_card(CARD), {"msg_type": "interactive", "card": CARD}),
        (
            lambda: webhook.send_card(orjson.dumps(CARD).decode()),
            {"msg_type": "interactive", "card": CARD},
        ),
    ],
)
def test_bodies_have_the_shape_of_their_type(operation: Any, expected: dict[str, Any]) -> None:
    call = make_call(operation())
    assert read_body(call) == expected
    assert (call.method, call.auth, call.safe, call.idempotent) == ("POST", False, False, False)


def test_people_are_named_in_posts() -> None:
    lines = read_body(make_call(webhook.send_post("a", mentions=["ou_1"])))["content"]["post"]["zh_cn"][
        "content"
    ]
    assert lines == [[{"tag": "text", "text": "a"}], [{"tag": "at", "user_id": "ou_1"}]]


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (lambda: webhook.send_text(""), "content"),
        (lambda: webhook.send_post(" \n"), "content must not be empty"),
        (lambda: webhook.send_post({"content": []}), "must map languages"),
        (lambda: webhook.send_card("{no"), "must be JSON"),
        (lambda: webhook.send_image(" "), "must be the image_key"),
        (lambda: webhook.send({}, msg_type="share_chat"), "must be the share_chat_id"),
        (lambda: webhook.send("x", msg_type="file"), "got 'file'"),  # type: ignore[arg-type]
        (lambda: webhook.send("x", title="T"), "title must be given with post only, got text"),
        (lambda: webhook.send({"txt": "x"}), "got None"),
        (lambda: webhook.send(None), "got None"),  # type: ignore[arg-type]
        (lambda: webhook.send_post(5), "post must be .* got int"),  # type: ignore[arg-type]
        (lambda: webhook.send({"image_key": 5}, msg_type="image"), "must be the image_key"),
        (lambda: webhook.send("img_1", msg_type="image", mentions=["all"]), "mentions must not be given"),
    ],
)
def test_what_cannot_be_sent_is_named(operation: Any, text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text) as refused:
        make_call(operation())
    assert "Next: " in str(refused.value)


def test_size_is_that_of_the_whole_body() -> None:
    longest = webhook.MAX_BODY_BYTES - len(b'{"msg_type":"text","content":{"text":""}}')
    assert len(make_call(webhook.send_text("x" * longest)).body or b"") == 20_480
    with pytest.raises(InvalidRequestError, match="must have at most 20480 bytes, got 20481") as refused:
        make_call(webhook.send_text("x" * (longest + 1)))
    assert refused.value.http_status is None
    with pytest.raises(InvalidRequestError, match="20480"):
        make_call(webhook.send_text("字" * 7_000))
    with pytest.raises(InvalidRequestError, match="20480"):
        make_call(webhook.send_card({"elements": [{"tag": "markdown", "content": "x" * 20_450}]}))


def test_a_missing_keyword_is_known_before_sending() -> None:
    bot = Webhook("https://open.feishu.cn", TOKEN, keywords=("告警", "deploy"))
    for operation in (
        webhook.send_text("a deploy"),
        webhook.send_post("x", title="告警"),
        webhook.send_card({"elements": [{"tag": "markdown", "content": "deploy"}]}),
        webhook.send_card({"type": "template", "data": {"template_id": "ctp_1"}}),
        webhook.send_image("img_1"),
    ):
        make_call(operation, bot)
    with pytest.raises(InvalidRequestError, match="keyword '告警' or 'deploy'") as refused:
        make_call(webhook.send_text("Deploy"), bot)
    assert refused.value.code == 19024
    with pytest.raises(InvalidRequestError):
        make_call(webhook.send_card({"deploy": {"elements": []}}), bot)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (TOKEN, (None, TOKEN)),
        (f" {HOOK}/ ", ("https://open.feishu.cn", TOKEN)),
        (HOOK.removeprefix("https://"), ("https://open.feishu.cn", TOKEN)),
        (f"http://127.0.0.1:8765/lark/open-apis/bot/v2/hook/{TOKEN}", ("http://127.0.0.1:8765/lark", TOKEN)),
    ],
)
def test_a_url_says_where_and_who(given: str, expected: tuple[str | None, str]) -> None:
    assert locate(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "", "  ", None, f"{TOKEN}?x", f"{HOOK}/more", f"https://open.feishu.cn/{TOKEN}", f"ftp{HOOK[5:]}",
        f"https://u:{TOKEN}@open.feishu.cn/open-apis/bot/v2/hook/{TOKEN}",
        f"https://open.feishu.cn/open-apis/bot/hook/{TOKEN}",
    ],
)  # fmt: skip
def test_what_is_no_webhook_is_refused_and_not_quoted(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="Next: copy the webhook URL") as refused:
        locate(given)
    assert TOKEN not in str(refused.value)


def test_the_token_stands_in_the_request_alone() -> None:
    bot = Webhook("https://open.feishu.cn", TOKEN, "the-sign-secret")
    call = make_call(webhook.send_text("hi"), bot)
    assert call.target == f"/open-apis/bot/v2/hook/{TOKEN}"
    assert call.name == "POST /open-apis/bot/v2/hook/***"
    for text in (repr(call), repr(bot), str(bot)):
        assert TOKEN not in text
        assert "the-sign-secret" not in text


def test_urls_of_webhooks_are_masked_in_any_text() -> None:
    shown = redact(f'Failed: "{HOOK}" and http://h/bot/hook/old-1?x and {HOOK}')
    assert shown == (
        'Failed: "https://open.feishu.cn/open-apis/bot/v2/hook/***" and http://h/bot/hook/***?x and '
        "https://open.feishu.cn/open-apis/bot/v2/hook/***"
    )


@pytest.mark.parametrize(
    ("code", "kind", "step"),
    [
        (9499, CodeKind.INVALID, "correct the request"),
        (19001, CodeKind.NOT_FOUND, "check the webhook URL"),
        (19021, CodeKind.PERMISSION, "signing secret, and that this machine's clock"),
        (19022, CodeKind.PERMISSION, "IP allow-list"),
        (19024, CodeKind.INVALID, "keywords"),
        (11232, CodeKind.RATE, "100 messages a minute"),
        (11246, CodeKind.INVALID, "check the card"),
    ],
)
def test_codes_and_their_next_steps(code: int, kind: CodeKind, step: str) -> None:
    meaning = get_code(code)
    assert meaning.kind is kind
    assert step in meaning.step


def make_refusal(msg: str) -> InvalidRequestError:
    return InvalidRequestError("refused", code=9499, msg=msg, http_status=400)


def test_a_bad_request_that_only_came_too_fast_is_made_again() -> None:
    operation = webhook.send_text("hi")
    call = make_call(operation)
    for spread in (2.0, 4.0):
        assert isinstance(operation.throw(make_refusal("too many request")), Random)
        assert operation.send(0.5) == Sleep(1.0 + spread / 2)
        assert next(operation) is call
    accepted: LarkResponse[Any] = LarkResponse(0, "success", {})
    with pytest.raises(StopIteration) as stopped:
        operation.send(accepted)
    assert stopped.value.value is accepted


def test_what_is_refused_as_too_fast_in_the_end_can_be_tried_later() -> None:
    operation = webhook.send_text("hi")
    make_call(operation)
    for _ in range(3):
        operation.throw(make_refusal("Too many requests"))
        operation.send(0.0)
        next(operation)
    with pytest.raises(RateLimitError, match="refused") as given_up:
        operation.throw(make_refusal("too many request"))
    assert given_up.value.retryable
    assert (given_up.value.code, given_up.value.http_status) == (9499, 400)


def test_a_bad_request_stays_one() -> None:
    operation = webhook.send_text("hi")
    make_call(operation)
    with pytest.raises(InvalidRequestError):
        operation.throw(make_refusal("Bad Request"))
