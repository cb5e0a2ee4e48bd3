"""Hold answers that come too soon after a task began to wait, those of Airflow's own page included.

If a task is answered before the scheduler has read the report of the process that asked, the report looks
like that of a killed task, and the task fails. No thread waits while an answer is held.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lark_provider.plugins.logs import get_logger
from lark_provider.support import threads
from lark_provider.support.futures import consume_exception

if TYPE_CHECKING:
    from lark_provider.plugins.asgi import AsgiApplication, AsgiMessage, AsgiReceive, AsgiScope, AsgiSend

logger = get_logger(__name__)
PATH = re.compile(
    r"/api/v2/dags/(?P<dag_id>[^/]+)/dagRuns/(?P<run_id>[^/]+)/taskInstances/(?P<task_id>[^/]+)"
    r"/(?P<map_index>-?[0-9]{1,9})/hitlDetails/?$"
)
PARKED = frozenset({"awaiting_input", "deferred"})
"""The states of a task that waits for an answer: of Airflow 3.3, and of earlier ones."""
_NOT_YET = frozenset({"running", "queued", "scheduled", "restarting"})
MAX_HELD = 1000
_MAX_LOOKS = 4
_QUERY_TIMEOUT_SECONDS = 10.0
_MAX_RELEASED = 4
"""The most answers that are released at a time. Released all at once, the answers of one moment would take
all of Airflow's threads, each waiting for a connection that another one cannot give back without a thread."""
_STEP = 0.5
_GRACE = 30.0
"""How much longer than the hold an answer is kept while its task does not wait yet, in seconds."""
_ROUNDING = 0.02
_MAX_BODY_BYTES = 256 * 1024
"""The most of a held body that is read ahead. Beyond it, a disconnect of the client is not noticed, and the
answer is held for no longer than any other."""


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The state of the task instance of an unanswered question.

    Attributes:
        state: The state of the task instance in Airflow.
        seconds: How long it has been in that state, in seconds, by the clock of Airflow's database; infinite
            if unknown.
    """

    state: str | None
    seconds: float

    def compute_remaining(self, hold: float) -> float:
        """Return the least time that an answer has to wait, in seconds; 0 if it may go on.

        Args:
            hold: How long answers are held after the task began to wait.
        """
        if self.state in PARKED:
            return max(0.0, hold - max(0.0, self.seconds))
        return _STEP if self.state in _NOT_YET else 0.0


def read_status(dag_id: str, run_id: str, task_id: str, map_index: int) -> TaskStatus | None:
    """Return the status of a task instance; None if it has no unanswered question. It blocks.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        task_id: The task.
        map_index: Of a mapped task; else -1.
    """
    from airflow.models.hitl import HITLDetail
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import func, literal, select

    clocks = {"postgresql": func.clock_timestamp(), "mysql": func.utc_timestamp(6)}
    with create_session() as session:
        # SQLite is on this machine, and has no clock as fine as this process.
        clock = clocks.get(session.get_bind().dialect.name, literal(None))
        row = session.execute(
            select(TaskInstance.state, TaskInstance.updated_at, clock)
            .join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
            .where(
                TaskInstance.dag_id == dag_id,
                TaskInstance.run_id == run_id,
                TaskInstance.task_id == task_id,
                TaskInstance.map_index == map_index,
                HITLDetail.responded_at.is_(None),
            )
        ).first()
    if row is None:
        return None
    state, since, now = row
    if since is None:
        return TaskStatus(state, float("inf"))
    return TaskStatus(state, (_ensure_utc(now or datetime.now(UTC)) - _ensure_utc(since)).total_seconds())


def _ensure_utc(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


class Hold:
    """Hold each answer until it can no longer fail its task. An ASGI middleware.

    Args:
        app: Airflow.
        seconds: How long after the task began to wait.
    """

    def __init__(self, app: AsgiApplication, seconds: float) -> None:
        self._app, self._seconds = app, seconds
        self._held = 0
        self._free = asyncio.Semaphore(_MAX_LOOKS)
        self._released = asyncio.Semaphore(_MAX_RELEASED)

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        """Pass a request on, at once or when its time has come."""
        match = PATH.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "PATCH" else None
        # Airflow refuses a request without credentials, so it must not cost a query here.
        if match is None or not _has_credentials(scope) or self._seconds <= 0:
            await self._app(scope, receive, send)
            return
        if self._held >= MAX_HELD:
            await _refuse(send, "Too many answers are held at once.")
            return
        client = _Client(receive)
        try:
            refusal = await self._wait(client, match)
            if refusal is not None:
                await _refuse(send, refusal)
                return
            async with self._released if client.has_waited else nullcontext():
                if not client.is_gone:
                    await self._app(scope, client.receive, send)
        finally:
            client.close()

    async def _wait(self, client: _Client, match: re.Match[str]) -> str | None:
        """Count an answer as held, and wait until it may go on; see `_wait_until_parked`."""
        self._held += 1
        try:
            return await self._wait_until_parked(client, match)
        finally:
            self._held -= 1

    async def _wait_until_parked(self, client: _Client, match: re.Match[str]) -> str | None:
        """Wait until the task of an answer has waited long enough.

        Returns:
            None if the answer may be passed on; else the reason why it is refused.
        """
        parts = match.groupdict()
        task = (parts["dag_id"], parts["run_id"], parts["task_id"], int(parts["map_index"]))
        deadline = time.monotonic() + self._seconds + _GRACE
        while not client.is_gone:
            try:
                parked = await self._read_status(*task)
            except Exception:  # It is Airflow's own database, so the request will report what is wrong.
                logger.warning("Answer not held: Airflow's database did not answer", exc_info=True)
                return None
            left = 0.0 if parked is None else parked.compute_remaining(self._seconds)
            if left <= 0:
                return None
            if time.monotonic() + left > deadline:
                return "The task does not wait for an answer yet."
            await client.wait(left + _ROUNDING)
        return None

    async def _read_status(self, *task: Any) -> TaskStatus | None:
        """Read the status in one of few threads; one that a frozen database blocks counts until it ends."""
        async with asyncio.timeout(_QUERY_TIMEOUT_SECONDS):
            await self._free.acquire()
            loop = asyncio.get_running_loop()
            try:
                running = threads.start(lambda: read_status(*task))
            except RuntimeError:  # The process cannot start a thread now.
                self._free.release()
                raise
            running.add_done_callback(lambda _: loop.call_soon_threadsafe(self._free.release))
            waiting = asyncio.wrap_future(running)
            waiting.add_done_callback(consume_exception)
            return await waiting


class _Client:
    """The client of a held request: buffers what it sends, and notices when it disconnects."""

    def __init__(self, receive: AsgiReceive) -> None:
        self._receive = receive
        self._kept: deque[AsgiMessage] = deque()
        self._size = 0
        self._next: asyncio.Future[AsgiMessage] | None = None
        self.is_gone = self.has_waited = False

    async def wait(self, seconds: float) -> None:
        """Wait; return early if the client disconnects.

        Args:
            seconds: How long to wait, in seconds.
        """
        self.has_waited = True
        until = time.monotonic() + seconds
        while not self.is_gone and (left := until - time.monotonic()) > 0:
            if self._size > _MAX_BODY_BYTES:
                await asyncio.sleep(left)
                return
            self._next = self._next or asyncio.ensure_future(self._receive())
            done, _ = await asyncio.wait({self._next}, timeout=left)
            if done:
                message, self._next = self._next.result(), None
                self._kept.append(message)
                self._size += len(message.get("body", b""))
                self.is_gone = message["type"] == "http.disconnect"

    async def receive(self) -> AsgiMessage:
        """Receive the buffered messages first, then new ones."""
        if self._kept:
            return self._kept.popleft()
        if self._next is not None:
            # A waiter may be cancelled and call again; the message must not be lost with it.
            message = await asyncio.shield(self._next)
            self._next = None
            return message
        return await self._receive()

    def close(self) -> None:
        """Stop receiving."""
        if self._next is not None:
            self._next.cancel()


def _has_credentials(scope: AsgiScope) -> bool:
    return any(name in {b"authorization", b"cookie"} for name, _ in scope["headers"])


async def _refuse(send: AsgiSend, reason: str) -> None:
    body = json.dumps({"detail": f"{reason} Next: try again in some seconds."}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"5"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
