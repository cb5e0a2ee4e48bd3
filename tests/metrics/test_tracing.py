"""Spans where OpenTelemetry records them, and nothing where it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from types import GeneratorType

import pytest
from lark_emulator import Emulator
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lark_provider import LarkServiceClient
from lark_provider.engine import observing, tracing
from lark_provider.engine.session import Session
from lark_provider.errors import LarkError
from lark_provider.protocol.attempts import attempt_call
from lark_provider.protocol.calls import make_request

CHAT = "oc_emulator_data_team"
MESSAGES = "/open-apis/im/v1/messages"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Record spans with a provider of this test's own: OpenTelemetry lets a process set one only once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    yield exporter
    provider.shutdown()


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_call_is_a_span_under_the_callers(lark: Emulator, spans: InMemorySpanExporter) -> None:
    with LarkServiceClient() as client, trace.get_tracer("test").start_as_current_span("task") as task:
        log_id = client.messaging.send_text(CHAT, "a private text").log_id
    token, message, _ = spans.get_finished_spans()
    assert token.name == "POST /open-apis/auth/v3/tenant_access_token/internal"
    assert message.name == f"POST {MESSAGES}"
    assert message.kind is trace.SpanKind.CLIENT
    assert message.parent is not None
    assert message.parent.span_id == task.get_span_context().span_id
    assert attributes(message) == {
        "http.request.method": "POST",
        "url.template": MESSAGES,
        "http.response.status_code": 200,
        "lark.app_id": lark.app_id,
        "lark.code": 0,
        "lark.log_id": log_id,
    }


def test_retries_and_failures_are_in_it(lark: Emulator, spans: InMemorySpanExporter) -> None:
    with LarkServiceClient() as client:
        lark.fault(path=MESSAGES, status=502, body="bad gateway", times=2)
        client.messaging.send_text(CHAT, "again", idempotency_key="k")
        with pytest.raises(LarkError):
            client.messaging.send_text("oc_nothing", "no")
    _, repeated, failed = spans.get_finished_spans()
    assert attributes(repeated)["http.request.resend_count"] == 2
    assert repeated.status.status_code is trace.StatusCode.UNSET
    assert failed.status.status_code is trace.StatusCode.ERROR
    assert failed.status.description is None
    assert attributes(failed)["lark.code"] == 230034
    assert attributes(failed)["error.type"] == "NotFoundError"


def test_no_secret_id_or_text_is_in_a_span(lark: Emulator, spans: InMemorySpanExporter) -> None:
    with LarkServiceClient() as client:
        sent = client.messaging.send_text(CHAT, "a private text").data["message_id"]
        client.messaging.recall(sent)
        with pytest.raises(LarkError):
            client.messaging.recall("om_nothing")
    text = "".join(span.to_json() for span in spans.get_finished_spans())
    for secret in (lark.app_secret, "Bearer", "t-", "a private text", sent, "om_nothing", CHAT):
        assert secret not in text


def test_a_provider_that_records_nothing_costs_no_span(
    lark: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    assert not tracing.is_on()
    steps = observing.try_call(make_request("GET", "/open-apis/bot/v3/info"), Session())
    assert isinstance(steps, GeneratorType)
    assert steps.gi_code is attempt_call.__code__  # nothing is between


def test_opentelemetry_is_never_imported() -> None:
    code = """if True:
        import sys, json
        from lark_emulator import Emulator
        from lark_provider import LarkServiceClient
        with Emulator() as lark:
            with LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url) as client:
                client.messaging.send_text("oc_emulator_data_team", "hello")
        print(json.dumps([name for name in sys.modules if name.split(".")[0] in
            {"opentelemetry", "prometheus_client"}]))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert json.loads(done.stdout) == []
