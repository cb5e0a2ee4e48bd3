"""What tests of questions start with: a database, a gateway, a task that starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from lark_emulator import Emulator
from sqlalchemy.engine import URL

from lark_provider.callbacks import CallbackKeys, Endpoint, Gateway
from lark_provider.callbacks.http.app import application
from lark_provider.callbacks.http.stores import configured_sinks, make_question_lookup
from lark_provider.storage import urls
from tests.airflow.questions.question_tasks import KEY, TOKEN, Start
from tests.callbacks.parts import KnownKeys
from tests.callbacks.serving import serve
from tests.storage import prepared


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> URL:
    url = urls.parse(database_url, "test")
    prepared.upgrade(url)
    monkeypatch.setenv("AIRFLOW__LARK__DATABASE_URL", database_url)
    return url


@contextmanager
def serve_gateway(lark: Emulator, database_url: str, **options: Any) -> Iterator[None]:
    """Run a gateway that stores the emulator's clicks in the database."""
    keys = KnownKeys(CallbackKeys(lark.app_id, KEY, TOKEN))
    sinks, _ = configured_sinks(database_url=database_url)
    questions = make_question_lookup(database_url)
    gateway = Gateway(keys, sinks, endpoint=Endpoint(), questions=questions, **options)
    with serve(application(gateway)) as address:
        lark.set_callback(
            f"{address}/lark/callbacks/{lark.app_id}", encrypt_key=KEY, verification_token=TOKEN
        )
        yield


@pytest.fixture
def gateway(lark: Emulator, url: URL, database_url: str) -> Iterator[None]:
    with serve_gateway(lark, database_url):
        yield


@pytest.fixture
def start(context: Callable[..., Any]) -> Start:
    xcoms: dict[str, Any] = {}

    def begin(**changes: Any) -> Any:
        task_context = context(**changes)
        known = {"start_date": datetime.now(UTC), "get_first_reschedule_date": lambda _: None}

        def push(key: str, value: Any) -> None:
            xcoms[key] = value

        reached = {"xcom_pull": lambda key, **_: xcoms.get(key), "xcom_push": push}
        task_context["ti"] = SimpleNamespace(**(known | reached | vars(task_context["ti"])))
        return task_context

    return begin
