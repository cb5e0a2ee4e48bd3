"""Django, Flask and FastAPI, each with its own test client: the same requests, the same answers."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import django
import fastapi
import flask
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from fastapi.testclient import TestClient

from lark_provider.callbacks import toast
from lark_provider.callbacks.http.django import callback_view
from lark_provider.callbacks.http.endpoint import FAILED, NOT_ALLOWED, RECEIVED, Endpoint
from lark_provider.callbacks.http.fastapi import callback_router
from lark_provider.callbacks.http.flask import callback_blueprint
from lark_provider.callbacks.http.keys import KeyRing, by_app, from_environment
from lark_provider.callbacks.http.responding import Handler
from lark_provider.errors import ConfigurationError
from lark_provider.protocol.callbacks import CallbackKeys, CardClick, Delivery, Event
from lark_provider.protocol.waits import mark
from tests.callbacks.parts import hide_coroutine_function
from tests.callbacks.serving import serve
from tests.protocol.callbacks import sender
from tests.protocol.callbacks.sender import APP, KEY, NOW, TOKEN, seal_body

KEYS = by_app(CallbackKeys(APP, KEY, TOKEN))
ENDPOINT = Endpoint(clock=lambda: NOW, max_bytes=10_000)
PATH = f"/lark/callbacks/{APP}"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
HELD = toast("info", "held")
Post: TypeAlias = Callable[..., tuple[int, bytes]]
Framework: TypeAlias = Callable[[Handler], Post]


@pytest.fixture(autouse=True)
def _no_click_was_answered() -> None:
    """Forget the clicks of other tests, which have the same id."""
    ENDPOINT.answered.clear()


def make_urls(view: Any) -> ModuleType:
    module = ModuleType("urls")
    module.urlpatterns = [path("lark/callbacks/<str:app_id>", view)]  # type: ignore[attr-defined]
    return module


def in_django(handler: Handler) -> Post:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="k", MIDDLEWARE=[CSRF])
        django.setup()
    routes = make_urls(callback_view(KEYS, handler, ENDPOINT))

    def post(body: bytes, headers: dict[str, str], where: str = PATH) -> tuple[int, bytes]:
        with override_settings(ROOT_URLCONF=routes):
            client = Client(enforce_csrf_checks=True)
            answer = client.post(where, data=body, content_type="application/json", headers=headers)
            return answer.status_code, answer.content

    return post


def in_async_django(handler: Handler) -> Post:
    in_django(handler)

    async def handle_async(delivery: Delivery) -> Any:
        return handler(delivery)

    routes = make_urls(callback_view(KEYS, handle_async, ENDPOINT))

    def post(body: bytes, headers: dict[str, str], where: str = PATH) -> tuple[int, bytes]:
        async def work() -> Any:
            client = AsyncClient(enforce_csrf_checks=True)
            return await client.post(where, data=body, content_type="application/json", headers=headers)

        with override_settings(ROOT_URLCONF=routes):
            answer = asyncio.run(work())
            return answer.status_code, answer.content

    return post


def in_flask(handler: Handler) -> Post:
    app = flask.Flask("shop")
    app.register_blueprint(callback_blueprint(KEYS, handler, ENDPOINT))

    def post(body: bytes, headers: dict[str, str], where: str = PATH) -> tuple[int, bytes]:
        answer = app.test_client().post(where, data=body, headers=headers)
        return answer.status_code, answer.data

    return post


def in_fastapi(handler: Handler) -> Post:
    app = fastapi.FastAPI()
    app.include_router(callback_router(KEYS, handler, ENDPOINT))

    def post(body: bytes, headers: dict[str, str], where: str = PATH) -> tuple[int, bytes]:
        answer = TestClient(app).post(where, content=body, headers=headers)
        return answer.status_code, answer.content

    return post


def in_async_fastapi(handler: Handler) -> Post:
    async def handle_async(delivery: Delivery) -> Any:
        return handler(delivery)

    return in_fastapi(handle_async)


@pytest.fixture(params=[in_django, in_async_django, in_flask, in_fastapi, in_async_fastapi])
def framework(request: pytest.FixtureRequest) -> Framework:
    adapter: Framework = request.param
    return adapter


def test_a_click_reaches_the_handler_and_its_answer_the_person(framework: Framework) -> None:
    seen: list[Delivery] = []

    def handler(delivery: Delivery) -> bytes | None:
        seen.append(delivery)
        return HELD if isinstance(delivery, CardClick) else None

    post = framework(handler)
    for content, answer in (
        (sender.card(), HELD),
        (sender.make_event(), b"{}"),
        (sender.make_event_1(), b"{}"),
    ):
        body = seal_body(content)
        assert post(body, sender.make_headers(body)) == (200, answer)
    assert [type(delivery) for delivery in seen] == [CardClick, Event, Event]


def test_a_challenge_is_answered_without_the_handler(framework: Framework) -> None:
    status, answer = framework(lambda _: pytest.fail("called"))(seal_body(sender.challenge()), {})
    assert (status, json.loads(answer)) == (200, {"challenge": "ajls384k-你好"})


def test_what_is_refused_does_not_reach_the_handler(framework: Framework) -> None:
    post = framework(lambda _: pytest.fail("called"))
    body = seal_body(sender.card())
    headers = sender.make_headers(body)
    assert post(body, {})[0] == 401
    assert post(body, sender.make_headers(body, timestamp="1"))[0] == 401
    assert post(b"{", headers)[0] == 400
    assert post(b"", headers)[0] == 400
    assert post(body, headers, "/lark/callbacks/cli_other")[0] == 404


def test_a_body_that_is_too_large_is_refused_and_logged(
    framework: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    ENDPOINT.refusals._throttle.reset()
    post = framework(lambda _: pytest.fail("called"))
    assert post(b"x" * 10_000, {})[0] == 400
    assert post(b"x" * 10_001, {})[0] == 413
    assert [vars(record)["status"] for record in caplog.records if "status" in vars(record)] == [400, 413]


def test_a_click_that_is_sent_again_is_answered_again_and_not_handled_again(framework: Framework) -> None:
    """Whoever has recorded a request can send it for 10 minutes."""
    clicks: list[str] = []

    def handler(delivery: Delivery) -> bytes | None:
        clicks.append(delivery.event_id)
        if len(clicks) == 1:
            raise LookupError("the first time")
        return HELD if len(clicks) == 2 else None

    post = framework(handler)
    body = seal_body(sender.card())
    headers = sender.make_headers(body)
    assert post(body, headers) == (200, FAILED)
    for _ in range(3):  # The first time failed, so that it is handled once more.
        assert post(body, headers) == (200, HELD)
    other = sender.card()
    other["header"]["event_id"] = "another"
    body = seal_body(other)
    assert post(body, sender.make_headers(body)) == (200, RECEIVED)
    assert clicks == [sender.card()["header"]["event_id"]] * 2 + ["another"]


def test_an_event_that_is_sent_again_is_handled_again(framework: Framework) -> None:
    """Its handler decides: Lark repeats an event, and a handler may do only a part of its work in time."""
    events: list[Delivery] = []
    post = framework(events.append)
    body = seal_body(sender.make_event())
    for _ in range(2):
        assert post(body, sender.make_headers(body)) == (200, b"{}")
    assert len(events) == 2


def test_header_names_may_have_any_case(framework: Framework) -> None:
    body = seal_body(sender.card())
    headers = {name.upper(): value for name, value in sender.make_headers(body).items()}
    assert framework(lambda _: None)(body, headers) == (200, RECEIVED)


def test_a_stranger_is_told_so(framework: Framework) -> None:
    body = seal_body(sender.card({"value": mark({}, "wait-1", ["ou_other"])}))
    assert framework(lambda _: None)(body, sender.make_headers(body)) == (200, NOT_ALLOWED)


def test_a_handler_that_fails_is_told_to_people_and_to_lark(
    framework: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(_: Delivery) -> bytes:
        raise LookupError("in the handler")

    ENDPOINT.handler_failures._throttle.reset()
    post = framework(handler)
    body = seal_body(sender.card())
    assert post(body, sender.make_headers(body)) == (200, FAILED)
    body = seal_body(sender.make_event())
    assert post(body, sender.make_headers(body))[0] == 503
    assert caplog.text.count("LookupError: in the handler") == 2


@pytest.mark.parametrize("adapter", [in_django, in_flask])
def test_a_handler_that_returns_a_coroutine_has_not_handled_anything(
    adapter: Framework, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as a lambda that calls a coroutine function: nothing in these frameworks can await it."""

    async def handle(_: Delivery) -> bytes:
        raise AssertionError

    ENDPOINT.handler_failures._throttle.reset()
    post = adapter(hide_coroutine_function(handle))
    body = seal_body(sender.card())
    assert post(body, sender.make_headers(body)) == (200, FAILED)
    body = seal_body(sender.make_event())
    assert post(body, sender.make_headers(body))[0] == 503
    assert "got one that returned a coroutine, which was not run. Next: " in caplog.text


def test_fastapi_awaits_what_a_handler_returns() -> None:
    seen: list[Delivery] = []

    class Service:
        async def __call__(self, delivery: Delivery) -> bytes | None:
            seen.append(delivery)
            return HELD if isinstance(delivery, CardClick) else None

    service = Service()
    for handler in (service, hide_coroutine_function(service)):
        ENDPOINT.answered.clear()
        post = in_fastapi(handler)
        for content, answer in ((sender.card(), HELD), (sender.make_event(), b"{}")):
            body = seal_body(content)
            assert post(body, sender.make_headers(body)) == (200, answer)
    assert [type(delivery) for delivery in seen] == [CardClick, Event] * 2


@pytest.mark.parametrize("returned", ["words", {}, 7, Endpoint()])
def test_a_handler_that_returns_something_else(
    framework: Framework, returned: Any, caplog: pytest.LogCaptureFixture
) -> None:
    body = seal_body(sender.card())
    assert framework(lambda _: returned)(body, sender.make_headers(body)) == (200, RECEIVED)
    [record] = [
        logged for logged in caplog.records if logged.getMessage().startswith("Handler returned an unusable")
    ]
    assert vars(record)["type"] == type(returned).__name__


def test_django_s_own_limit_is_answered_as_ours_is() -> None:
    post = in_django(lambda _: pytest.fail("called"))
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=100):
        assert post(b"x" * 101, {})[0] == 413


@pytest.mark.parametrize("length", ["10001", "9" * 5000])
def test_django_does_not_read_what_is_too_large(length: str) -> None:
    in_django(lambda _: None)
    view = callback_view(KEYS, lambda _: pytest.fail("called"), ENDPOINT)
    unread = io.BytesIO(b"x" * 10_001)
    request = WSGIRequest({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length, "wsgi.input": unread})
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=None):
        assert (view(request, APP).status_code, unread.tell()) == (413, 0)


@pytest.mark.parametrize(("length", "status"), [(10_000, 400), (10_001, 413), (1_000_000, 413)])
def test_django_bounds_a_body_whose_length_is_not_told(length: int, status: int) -> None:
    in_django(lambda _: None)
    view = callback_view(KEYS, lambda _: pytest.fail("called"), ENDPOINT)
    chunked = io.BytesIO(b"x" * length)
    request = ASGIRequest({"type": "http", "method": "POST", "path": PATH, "headers": []}, chunked)
    assert view(request, APP).status_code == status
    assert chunked.tell() <= 10_001


def test_django_takes_a_body_whose_length_is_not_told() -> None:
    in_django(lambda _: None)
    body = seal_body(sender.card())
    headers = [(name.lower().encode(), value.encode()) for name, value in sender.make_headers(body).items()]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    for is_read_before in (False, True):
        request = ASGIRequest(scope, io.BytesIO(body))
        assert not is_read_before or request.body == body  # As a middleware may do.
        answer = callback_view(KEYS, lambda _: HELD, ENDPOINT)(request, APP)
        assert (answer.status_code, answer.content) == (200, HELD)


def test_flask_does_not_read_what_is_too_large() -> None:
    app = flask.Flask("shop")
    app.register_blueprint(callback_blueprint(KEYS, lambda _: pytest.fail("called"), ENDPOINT))
    unread = io.BytesIO(b"x" * 10_001)
    answer = app.test_client().post(PATH, input_stream=unread, headers={"Content-Length": "10001"})
    assert (answer.status_code, unread.tell()) == (413, 0)


@pytest.mark.parametrize("chunked", [False, True])
def test_in_flask_another_function_may_read_the_body_before(chunked: bool) -> None:
    app = flask.Flask("shop")
    app.before_request(lambda: flask.request.get_json(silent=True) and None)
    app.register_blueprint(callback_blueprint(KEYS, lambda _: HELD, ENDPOINT))
    body = seal_body(sender.card())
    length = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""} if chunked else {}
    client = app.test_client()
    answer = (
        client.post(
            PATH, input_stream=io.BytesIO(body), headers=sender.make_headers(body), environ_overrides=length
        )
        if chunked
        else client.post(PATH, data=body, headers=sender.make_headers(body))
    )
    assert (answer.status_code, answer.data) == (200, HELD)


def test_flask_s_own_limit_is_answered_as_ours_is() -> None:
    app = flask.Flask("shop")
    app.config["MAX_CONTENT_LENGTH"] = 100
    app.register_blueprint(callback_blueprint(KEYS, lambda _: pytest.fail("called"), ENDPOINT))
    assert app.test_client().post(PATH, data=b"x" * 101).status_code == 413


@pytest.mark.parametrize(("length", "status"), [(10_000, 400), (10_001, 413)])
def test_flask_bounds_a_body_whose_length_is_not_told(length: int, status: int) -> None:
    app = flask.Flask("shop")
    app.register_blueprint(callback_blueprint(KEYS, lambda _: pytest.fail("called"), ENDPOINT))
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    answer = app.test_client().post(PATH, input_stream=io.BytesIO(b"x" * length), environ_overrides=chunked)
    assert answer.status_code == status


def test_fastapi_does_not_wait_for_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lark_provider.callbacks.http.fastapi.DEADLINE", 0.2)
    app = fastapi.FastAPI()
    app.include_router(callback_router(KEYS, lambda _: pytest.fail("called"), ENDPOINT))
    with serve(app) as url:
        where = urlsplit(url)
        with socket.create_connection((where.hostname, where.port), timeout=20) as line:
            line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_flask_takes_plain_functions_only() -> None:
    async def handler(_: Delivery) -> None: ...

    with pytest.raises(ConfigurationError, match=r"coroutine function\. Next: "):
        callback_blueprint(KEYS, handler)


def test_keys_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"LARK_APP_ID": APP, "LARK_EVENT_ENCRYPT_KEY": KEY, "LARK_EVENT_VERIFICATION_TOKEN": TOKEN}
    assert from_environment(environ) == KEYS
    for missing in ("LARK_EVENT_ENCRYPT_KEY", "LARK_EVENT_VERIFICATION_TOKEN"):
        keys = from_environment({**environ, missing: " "})[APP]
        assert (keys.encrypt_key, keys.verification_token).count(None) == 1
    for environ_ in ({**environ, "LARK_APP_ID": ""}, {"LARK_APP_ID": APP}, {}):
        for name in environ:
            monkeypatch.setenv(name, environ_.get(name, ""))
        with pytest.raises(
            ConfigurationError, match=r"The callback keys must be LARK_APP_ID .* Next: set them"
        ):
            from_environment()


def make_ring(*keys: CallbackKeys) -> tuple[KeyRing, dict[str, CallbackKeys]]:
    """Return a ring of keys that were loaded a while ago, and the dict with which they can be changed."""
    known = dict(by_app(*keys))
    ring = KeyRing(lambda: by_app(*known.values()))
    assert ring.get_blocking(APP) is not None
    ring._load_started_at -= 2
    return ring, known


def test_a_key_that_was_just_replaced_is_found(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a click is handled as under any other key."""
    ring, known = make_ring(CallbackKeys(APP, KEY, TOKEN))
    monkeypatch.setitem(globals(), "KEYS", ring)
    clicks: list[Delivery] = []

    def handle(delivery: Delivery) -> None:
        clicks.append(delivery)

    post = framework(handle)
    known[APP] = CallbackKeys(APP, "a new key", TOKEN, ((KEY, NOW + 60),))
    body = seal_body(sender.card(), "a new key")
    assert post(body, sender.make_headers(body, key="a new key")) == (200, RECEIVED)
    earlier = sender.card()
    earlier["header"]["event_id"] = "signed with the key before"
    old = seal_body(earlier)
    assert post(old, sender.make_headers(old)) == (200, RECEIVED)
    assert len(clicks) == 2
    assert post(body, sender.make_headers(body, key="guess"))[0] == 401
    del known[APP]
    ring._stale_at = float("-inf")
    assert post(body, sender.make_headers(body, key="a new key"))[0] == 404, "it was disabled, long ago"
    assert len(clicks) == 2
