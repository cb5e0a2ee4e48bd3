"""Answer a question as the person who clicked: once, only the try that was shown, with valid values."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lark_provider.plugins import guard, hold, settings
from lark_provider.plugins.in_process import AirflowReply, InProcess
from lark_provider.plugins.json_schema import find_violations
from lark_provider.plugins.logs import get_logger
from lark_provider.plugins.sentences import describe_answerer, describe_outcome
from lark_provider.protocol.hitl.answers import InvalidAnswerError, read_answer
from lark_provider.protocol.hitl.delivery import AnswerOutcome, ClickResult, DeliveredClick
from lark_provider.protocol.hitl.model import End, HitlAnswer, HitlQuestion
from lark_provider.protocol.language import Language
from lark_provider.storage.api_servers import ApiServers
from lark_provider.storage.clicked_cards import QuestionCard
from lark_provider.support import threads

logger = get_logger(__name__)
_READ_BACK_SECONDS = 0.3
"""Two answers that overlap without the guard are both written within this time."""
_GUARDED_SECONDS = 30.0
_DATABASE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who clicked.

    Attributes:
        open_id: The person's open_id in Lark.
        user_id: The id of the person's user in Airflow, as in `assigned_users`.
        name: The name of that user.
    """

    open_id: str
    user_id: str
    name: str

    def make_result(
        self, outcome: AnswerOutcome, message: Mapping[str, str] | None = None, **more: Any
    ) -> ClickResult:
        """Return the outcome of the click.

        Args:
            outcome: The outcome in one word, such as `answered` or `not_assigned`.
            message: The text for the person, by language; by default the sentence of the outcome.
            more: Other members of the result.
        """
        text = describe_outcome(outcome, person=self.name) if message is None else message
        return ClickResult(outcome, text, open_id=self.open_id, person=self.name, **more)


async def answer(airflow: InProcess, card: QuestionCard, click: DeliveredClick, who: Answerer) -> ClickResult:
    """Answer a question.

    Args:
        airflow: Airflow, as the person.
        card: The card, as it is recorded.
        click: The click.
        who: The person.
    """
    task = card.question.task
    reply = await airflow.call("GET", f"{task.path}/hitlDetails")
    if not reply.is_ok:
        return make_refusal_result(reply, who)
    wanted = _read(card, click)
    if reply.body["task_instance"]["id"] != task.ti_id:
        return await _read_earlier_try_result(airflow, card.question, wanted, who)
    if reply.body["response_received"]:
        return _make_recorded_result(reply.body, wanted, who)
    unready = await _find_unready_result(card.question, reply.body["task_instance"]["state"], who)
    if unready is not None:
        return unready
    options: list[str] = reply.body["options"]
    errors = wanted if isinstance(wanted, dict) else await _find_faults(card, wanted, options)
    if errors or isinstance(wanted, dict):
        reason = "; ".join(f"{name}: {text}" for name, text in errors.items())
        return who.make_result("invalid", describe_outcome("invalid", reason=reason), errors=errors)
    return await _send(airflow, card.question, wanted, who)


async def _send(airflow: InProcess, question: HitlQuestion, wanted: HitlAnswer, who: Answerer) -> ClickResult:
    path = f"{question.task.path}/hitlDetails"
    expected = guard.EXPECTED.set(question.task.ti_id)
    try:
        patched = await airflow.call(
            "PATCH", path, {"chosen_options": list(wanted.options), "params_input": dict(wanted.params)}
        )
    finally:
        guard.EXPECTED.reset(expected)
    if patched.status == 409:  # noqa: PLR2004 - conflict: another answer came first
        current = await airflow.call("GET", path)
        if not current.is_ok:
            return make_refusal_result(current, who)
        is_same_try = current.body["task_instance"]["id"] == question.task.ti_id
        if not is_same_try or not current.body["response_received"]:
            return await _read_earlier_try_result(airflow, question, wanted, who)
        return _make_recorded_result(current.body, wanted, who)
    if patched.status == 403 and question.assignees:  # noqa: PLR2004 - forbidden
        assigned = {assignee.id: assignee.name for assignee in question.assignees}
        if who.user_id not in assigned:
            names = ", ".join(assigned.values())
            return who.make_result(
                "not_assigned", describe_outcome("not_assigned", person=who.name, assignees=names)
            )
    if not patched.is_ok:
        return make_refusal_result(patched, who)
    if not await _GUARDED.covers_all():
        await asyncio.sleep(_READ_BACK_SECONDS)
        read_back = await airflow.call("GET", path)
        if read_back.is_ok and read_back.body["task_instance"]["id"] == question.task.ti_id:
            return _make_recorded_result(read_back.body, wanted, who)
    return _make_answered_result(patched.body, who)


async def _read_earlier_try_result(
    airflow: InProcess, question: HitlQuestion, wanted: HitlAnswer | dict[str, str], who: Answerer
) -> ClickResult:
    """Return the outcome of a click on the question of an earlier try.

    It may have been answered by this very click, before a process died and the task went on to its next try.
    """
    reply = await airflow.call("GET", f"{question.task.path}/hitlDetails/tries/{question.task.try_number}")
    if reply.is_unavailable:
        return make_refusal_result(reply, who)
    if reply.is_ok and reply.body["response_received"] and _is_own(reply.body, wanted, who):
        return _make_answered_result(reply.body, who)
    return who.make_result("superseded")


def make_refusal_result(reply: AirflowReply, who: Answerer) -> ClickResult:
    """Return the outcome of a click that Airflow refuses.

    Args:
        reply: Airflow's answer.
        who: The person.
    """
    if reply.is_unavailable:
        return who.make_result("unavailable")
    if reply.status == 410:  # noqa: PLR2004 - gone: by the guard
        return who.make_result("superseded")
    if reply.status in {401, 403}:
        return who.make_result("forbidden")
    if reply.status == 404:  # noqa: PLR2004 - not found: the run or the DAG was deleted
        return who.make_result("over", describe_outcome("over", state=("已删除", "deleted")))
    return who.make_result(
        "invalid", describe_outcome("invalid", reason=reply.detail or f"HTTP {reply.status}")
    )


def _read(card: QuestionCard, click: DeliveredClick) -> HitlAnswer | dict[str, str]:
    """Return the answer of a click, or what is wrong with it by field, in the language of the card."""
    try:
        return read_answer(card.question, click.action)
    except InvalidAnswerError as error:
        return {name: texts[_choose_language(card)] for name, texts in error.errors.items()}


async def _find_unready_result(
    question: HitlQuestion, state: str | None, who: Answerer
) -> ClickResult | None:
    """Return why a question takes no answer: the task does not wait, or not for long enough."""
    if state == "running":  # Its process has not ended yet.
        return who.make_result("too_early")
    if state not in hold.PARKED:
        shown = state or ("已清除", "cleared")
        return who.make_result("over", describe_outcome("over", state=shown))
    task = question.task
    parked = await threads.run(
        lambda: hold.read_status(task.dag_id, task.run_id, task.task_id, task.map_index), _DATABASE_SECONDS
    )
    if parked is not None and parked.compute_remaining(settings.HOLD.read_seconds()) > 0:
        return who.make_result("too_early")
    return None


async def _find_faults(card: QuestionCard, wanted: HitlAnswer, options: list[str]) -> dict[str, str]:
    """Return what Airflow would only notice after the answer, when it fails the task: by field.

    Raises:
        SchemaCheckError: The values could not be checked.
    """
    errors = {}
    unknown = [option for option in wanted.options if option not in options]
    if unknown:
        errors["_options"] = f"{unknown[0][:60]!r} is not an option"
    values = {
        name: (value, card.question.params[name].get("schema") or {}) for name, value in wanted.params.items()
    }
    violations = await threads.run(lambda: find_violations(values))
    return errors | {name: texts[_choose_language(card)] for name, texts in violations.items()}


def _choose_language(card: QuestionCard) -> Language:
    return "zh" if card.language == "zh" else "en"


def _make_recorded_result(
    detail: Mapping[str, Any], wanted: HitlAnswer | dict[str, str], who: Answerer
) -> ClickResult:
    """Return the outcome of a click whose question has an answer: it may be this click's own.

    The answer of a delivery that was never acknowledged, since a process died, is found here again.
    """
    if _is_own(detail, wanted, who):
        return _make_answered_result(detail, who)
    by = detail["responded_by_user"]
    name = None if by is None else by["name"]
    end = _read_end(detail, name, None)
    shown = ", ".join(end.options)
    message = describe_outcome("already_answered", who=describe_answerer(name), options=shown)
    return who.make_result("already_answered", message, end=end)


def _is_own(detail: Mapping[str, Any], wanted: HitlAnswer | dict[str, str], who: Answerer) -> bool:
    """Return whether the recorded person and answer are those of the click."""
    by = detail["responded_by_user"]
    return (
        isinstance(wanted, HitlAnswer)
        and by is not None
        and by["id"] == who.user_id
        and sorted(detail["chosen_options"] or []) == sorted(wanted.options)
        and (detail["params_input"] or {}) == dict(wanted.params)
    )


def _make_answered_result(detail: Mapping[str, Any], who: Answerer) -> ClickResult:
    end = _read_end(detail, who.name, who.open_id)
    return who.make_result("answered", describe_outcome("answered", options=", ".join(end.options)), end=end)


def _read_end(detail: Mapping[str, Any], name: str | None, open_id: str | None) -> End:
    at = detail.get("responded_at")
    return End(
        "defaulted" if name is None else "answered",
        options=tuple(detail["chosen_options"] or ()),
        params=detail["params_input"] or {},
        person=name,
        open_id=open_id,
        at=None if at is None else datetime.fromisoformat(at),
    )


class _Guarded:
    """Whether all API servers let exactly one answer count; read from the database every half minute."""

    def __init__(self) -> None:
        self._until, self._all = float("-inf"), False

    async def covers_all(self) -> bool:
        """Return whether they all do; False if that is unknown."""
        if time.monotonic() >= self._until:
            try:
                self._all = await threads.run(
                    lambda: ApiServers(settings.DATABASE.read_url()).are_all_guarded(), _DATABASE_SECONDS
                )
            except Exception:  # Without the database, the answer is read back.
                logger.warning("Guard state of API servers unknown; reading answers back", exc_info=True)
                self._all = False
            self._until = time.monotonic() + _GUARDED_SECONDS
        return self._all


_GUARDED = _Guarded()
