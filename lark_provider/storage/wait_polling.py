"""Poll which of many open questions are answered, without reading the same clicks each time.

Which clicks a look may leave out
---------------------------------
A look has to see every click that was committed after the previous look at the same question. Such a click
may have a smaller id than clicks that were seen: ids are given out when a row is inserted, and a row is
visible once its transaction commits. But that transaction was still running at the previous look, or began
after it. So its id was given out no earlier than the longest time that a writing transaction can last before
the previous look. The deadlines of statements limit that time (`Deadlines.longest`); `OVERLAP_SECONDS` is
longer.

Each look therefore notes the greatest id that was visible at it. An id that was visible `OVERLAP_SECONDS`
before the previous look was given out before all ids of clicks that the previous look cannot have seen. It is
smaller than those, because ids ascend. This is the bound of the next look, which asks for clicks above it
alone. After looks that failed, the previous look is the last one that succeeded, and nothing is left out.

No clock is used but the monotonic one of this process. It may stand still while a machine is suspended, which
makes the overlap longer, and never shorter.

What has no deadline (a commit that waits for a standby, a process of version 0.1), and a database that was
restored, are covered by looks without a bound: the first one at a question, and one every `COMPLETE_SECONDS`,
which also finds the questions that were deleted.

In its first `OVERLAP_SECONDS` a process does not know yet which ids were visible that long ago, and takes the
greatest id of its first look less `MARGIN`: so many ids are given out in that time only above 2,500 clicks a
second, and then the next look without a bound finds what was left out.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from lark_provider.protocol.questions import TaskQuestion
from lark_provider.protocol.waits import Wait
from lark_provider.storage import migrate
from lark_provider.storage.deadlines import STATEMENT
from lark_provider.storage.stored_clicks import StoredClick
from lark_provider.storage.tables import card_callbacks
from lark_provider.storage.wait_chunks import CHUNK, NEVER, QuestionChunk, QuestionKind
from lark_provider.storage.waits import Waits, find_missing

OVERLAP_SECONDS = STATEMENT.longest + 8.0
COMPLETE_SECONDS = 60.0
MARGIN = 100_000


class _Seen(NamedTuple):
    """The result of a look at a chunk: when it began, whether it was complete, and what it found."""

    began: float
    is_complete: bool
    deleted: set[str]
    closed: set[str]
    clicks: list[StoredClick]


class WaitPoller:
    """Polls the open questions of one database. Used by one thread.

    Args:
        url: The database.

    Attributes:
        deleted: The ids of questions that the last look found deleted; noticed within `COMPLETE_SECONDS`.
    """

    def __init__(self, url: URL) -> None:
        self._url, self._waits = url, Waits(url)
        self.deleted: set[str] = set()
        self._chunks: list[QuestionChunk] = []
        self._questions: dict[str, TaskQuestion] = {}
        self._greatest: deque[tuple[float, int]] = deque()
        """Times on the monotonic clock, and the greatest id of a click that was visible by then."""

    def settle(self, questions: Sequence[TaskQuestion]) -> dict[str, TaskQuestion]:
        """Decide what clicks have answered, and return the questions that are open no longer.

        Args:
            questions: All open questions that are waited for, as they were read.

        Returns:
            Decided and closed questions by their ids. A question that is still open is missing.

        Raises:
            StorageError: The database cannot be used. What was decided before that is returned by the next
                look.
        """
        self.deleted = set()
        self._arrange(questions)
        if not self._chunks:
            return {}
        over: dict[str, TaskQuestion] = {}
        for chunk, seen in self._look_at_chunks():
            answers = chunk.find_answers(seen.clicks)
            if seen.closed or answers:
                over |= self._waits.decide(
                    {wait_id: clicks for wait_id, clicks in answers.items() if wait_id not in seen.closed},
                    [self._questions[wait_id] for wait_id in seen.closed | answers.keys()],
                )
            # Only now: a look whose decision failed has not succeeded.
            self.deleted |= seen.deleted
            chunk.looked_at = seen.began
            if seen.is_complete:
                chunk.complete_at = seen.began
        self._merge()
        return over

    def _look_at_chunks(self) -> list[tuple[QuestionChunk, _Seen]]:
        """Look at all chunks, on one connection."""
        looks: list[tuple[QuestionChunk, _Seen]] = []
        with migrate.open_transaction(self._url, reading=True) as connection:
            self._note_greatest(connection)
            due = set(map(id, self._list_due(time.monotonic())))
            for chunk in self._chunks:
                began, is_due, is_first = time.monotonic(), id(chunk) in due, chunk.looked_at == NEVER
                # Before the first look, the questions have just been read.
                deleted = find_missing(connection, chunk.waits) if is_due else set[str]()
                answer = chunk.ask(connection, 0 if is_due else self._compute_bound(chunk))
                looks.append((chunk, _Seen(began, is_due or is_first, deleted, *answer)))
        return looks

    def _compute_bound(self, chunk: QuestionChunk) -> int:
        """Return up to which id clicks can be left out; 0 for none. The module's docstring says why."""
        if chunk.looked_at == NEVER:
            return 0
        latest = chunk.looked_at - OVERLAP_SECONDS
        known = [greatest for moment, greatest in self._greatest if moment <= latest]
        if known:
            return max(known)
        return max(0, self._greatest[0][1] - MARGIN) if self._greatest else 0

    def _note_greatest(self, connection: Connection) -> None:
        query = sa.select(sa.func.coalesce(sa.func.max(card_callbacks.c.id), 0))
        greatest = int(connection.execute(query).scalar_one())
        now = time.monotonic()  # read after the answer: what was visible then is visible now
        if self._greatest and greatest < self._greatest[-1][1]:
            # The last rows were deleted, or the database was restored: ids begin again.
            self._greatest.clear()
            for chunk in self._chunks:
                chunk.looked_at = NEVER
        self._greatest.append((now, greatest))
        oldest = min(chunk.looked_at for chunk in self._chunks) - OVERLAP_SECONDS
        while len(self._greatest) > 1 and self._greatest[1][0] <= oldest:
            self._greatest.popleft()

    def _list_due(self, now: float) -> list[QuestionChunk]:
        """Return the chunks whose turn it is to be looked at without a bound: few at a time, oldest first."""
        old = [
            chunk
            for chunk in self._chunks
            if chunk.looked_at > NEVER and now - chunk.complete_at >= COMPLETE_SECONDS
        ]
        old.sort(key=lambda chunk: chunk.complete_at)
        return old[: math.ceil(len(self._chunks) / (COMPLETE_SECONDS / 2))]

    # --- which questions are looked at together ---

    def _arrange(self, questions: Iterable[TaskQuestion]) -> None:
        """Put new questions into new chunks, and take out those that are waited for no more."""
        before, self._questions = self._questions, {question.id: question for question in questions}
        # A retry moves the deadline of its question, which is then looked at as a new one.
        same = {
            wait_id
            for wait_id, question in self._questions.items()
            if _is_same(before.get(wait_id), question)
        }
        for chunk in self._chunks:
            if not same.issuperset(chunk.waits):
                chunk.retain([wait_id for wait_id in chunk.waits if wait_id in same])
        self._chunks = [chunk for chunk in self._chunks if chunk.waits]
        if len(same) == len(self._questions):
            return
        new: dict[QuestionKind, list[Wait]] = {}
        for wait_id, question in self._questions.items():
            if wait_id not in same:
                wait = question.to_wait()
                new.setdefault(QuestionKind.of(wait), []).append(wait)
        for kind, waits in new.items():
            for start in range(0, len(waits), CHUNK):
                batch = {wait.key: wait for wait in waits[start : start + CHUNK]}
                self._chunks.append(QuestionChunk(kind, batch))

    def _merge(self) -> None:
        """Merge small chunks, so that questions that come one by one do not need a statement each."""
        merged: list[QuestionChunk] = []
        for chunk in sorted(self._chunks, key=lambda unmerged: len(unmerged.waits)):
            last = next(
                (candidate for candidate in reversed(merged) if candidate.may_join(chunk, CHUNK)), None
            )
            if last is None:
                merged.append(chunk)
            else:
                last.join(chunk)
        self._chunks = merged


def _is_same(before: TaskQuestion | None, now: TaskQuestion) -> bool:
    return before is now or (
        before is not None and (before.deadline, before.message_ids) == (now.deadline, now.message_ids)
    )
