"""Chat commands: what a person typed is decided once, done by the plugin as that person, and answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lark_provider.api.routes.commands import CommandRule
from lark_provider.bridge import reading
from lark_provider.bridge.command_replies import CommandReplies
from lark_provider.bridge.command_texts import format_end, format_help, format_text
from lark_provider.bridge.errors import AirflowRefusedError, AirflowUnavailableError
from lark_provider.bridge.routes import RoutesFile
from lark_provider.bridge.steps import BridgeStep
from lark_provider.protocol.commands.arguments import match_names
from lark_provider.protocol.commands.delivery import (
    COMMAND_PATH,
    TRANSIENT_STATUS,
    CommandResult,
    DeliveredCommand,
    is_dag_id,
    make_run_id,
    read_result,
)
from lark_provider.protocol.commands.parsing import Typed, find_dag_to_run, read_typed
from lark_provider.protocol.errors import InvalidRequestError, LarkError
from lark_provider.protocol.hitl.proof import MAX_BODY_BYTES
from lark_provider.storage.chat_commands import ChatCommands, ClaimedCommand
from lark_provider.support import measured, meters, threads
from lark_provider.support.backoff import pause_after

if TYPE_CHECKING:
    from lark_provider.bridge.service import Bridge

logger = logging.getLogger(__name__)

TOO_OLD_SECONDS = 1800.0
"""Lark repeats a message for hours; a command is meant for now."""
GIVEN_UP_SECONDS = 86_400.0
"""By then a command is not even answered as too old."""
WATCH_SECONDS = 7 * 86_400.0
_SECONDS, _AUDIT_SECONDS = 0.5, 15.0
_LEASE_SECONDS, _MAX_BATCH, _MAX_WATCHED = 60.0, 16, 50
_FIRST_PAUSE, _MAX_PAUSE, _FIRST_WATCH, _LAST_WATCH = 0.5, 30.0, 2.0, 60.0
_UNPROVEN, _ABSENT = 401, {404, 405}
_OVER = ("success", "failed")


@dataclass(frozen=True, slots=True)
class _Decision:
    """The handling of a command: its outcome, what is answered, and the run that it started."""

    outcome: str
    text: str
    dag_id: str | None = None
    run_id: str | None = None


class ChatCommandWork:
    """The work on chat commands of one bridge.

    Args:
        bridge: The bridge.
        routes: What messages may run or show.
    """

    def __init__(self, bridge: Bridge, routes: RoutesFile) -> None:
        self._api, self._settings, self._routes = bridge.api, bridge.settings, routes
        self._throttle = bridge.throttle
        self._store = ChatCommands(bridge.database)
        self._replies = CommandReplies(self._store, bridge.apps, routes, bridge.throttle)

    def list_steps(self) -> Sequence[BridgeStep]:
        """Return what is repeated: new commands, their answers, and the ends of their runs."""
        return (
            BridgeStep("commands", _SECONDS, self.work),
            BridgeStep("command replies", _SECONDS, self._replies.work),
            BridgeStep("command runs", _SECONDS, self.watch),
            BridgeStep("command metrics", _AUDIT_SECONDS, self._measure),
        )

    async def show(self, _applied: Any, _result: Any) -> bool:
        """Return that no click is on a card of commands: they have none."""
        return False

    async def work(self) -> bool:
        """Decide the commands that are due, and return whether there were any."""
        commands = await threads.run(lambda: self._store.claim(("due",), _MAX_BATCH, _LEASE_SECONDS))
        await asyncio.gather(*(self._process(claimed) for claimed in commands))
        return bool(commands)

    async def _process(self, claimed: ClaimedCommand) -> None:
        try:
            decision = await self._decide(claimed)
        except LarkError as error:
            if claimed.sent_ago < GIVEN_UP_SECONDS:
                await self._postpone(claimed, str(error))
                return
            # Such as of an app whose secret is gone: it will not be known whether the bot was meant.
            decision = _Decision("too_old", "")
        if decision is None:
            return
        if await threads.run(
            lambda: self._store.decide(
                claimed, decision.outcome, decision.text, dag_id=decision.dag_id, run_id=decision.run_id
            )
        ):
            measured.BRIDGE_COMMANDS.add(decision.outcome)
            fields = claimed.log_fields | {"outcome": decision.outcome}
            logger.info("Chat command decided", extra=fields)

    async def _decide(self, claimed: ClaimedCommand) -> _Decision | None:
        """Return how a command is handled; None if that is not known yet.

        Raises:
            LarkError: Airflow or Lark cannot be used now.
        """
        message, routes = claimed.message, self._routes.read_current()
        bot_id = await self._replies.read_bot_id(message.app_id)
        if not (message.is_direct or message.mentions_person(bot_id)):
            return _Decision("ignored", "")
        if claimed.sent_ago > TOO_OLD_SECONDS:
            return await self._decide_too_old(claimed, bot_id)
        rules = [
            rule
            for rule in routes.commands
            if rule.is_open_to(message.app_id, message.chat_id, message.open_id, is_direct=message.is_direct)
        ]
        try:
            typed = read_typed(message, bot_id)
            if typed.verb == "help":
                return _Decision("helped", format_help(rules, routes.language))
            return await self._decide_on_dag(claimed, typed, rules)
        except InvalidRequestError as error:
            return self._make_decision("invalid", "invalid", reason=str(error))

    async def _decide_too_old(self, claimed: ClaimedCommand, bot_id: str) -> _Decision:
        """Return how a command is handled that arrived too late, or whose attempts have all failed.

        An attempt whose answer was lost may have started the run: then that is what is answered.

        Raises:
            LarkError: Airflow cannot be used now.
        """
        dag_id = find_dag_to_run(claimed.message, bot_id)
        if claimed.attempts > 1 and dag_id is not None:
            run_id = make_run_id(claimed.message.message_id)
            if await self._has_run(dag_id, run_id):
                text = format_text("started", self._language, dag=dag_id)
                return _Decision("started", f"{text}\n{self._make_link(dag_id, run_id)}", dag_id, run_id)
        return self._make_decision("too_old", "too_old")

    async def _has_run(self, dag_id: str, run_id: str) -> bool:
        """Return whether there is a run; False if the account may not see it."""
        try:
            return await self._api.get(_make_run_path(dag_id, run_id)) is not None
        except AirflowRefusedError as error:
            if error.is_forbidden:
                return False
            raise

    async def _decide_on_dag(
        self, claimed: ClaimedCommand, typed: Typed, rules: Sequence[CommandRule]
    ) -> _Decision | None:
        """Return how a command on a DAG is handled, if a rule allows it.

        Raises:
            InvalidRequestError: The command is not complete, or its arguments do not fit the rule.
            LarkError: Airflow cannot be used now.
        """
        if not typed.words or (typed.verb != "run" and len(typed.words) > 1):
            raise InvalidRequestError(
                f"/{typed.verb} must have the name of a DAG{' first' if typed.verb == 'run' else ' alone'}, "
                f"got {len(typed.words)} words. Next: send /help."
            )
        dag_id = typed.words[0]
        rule = await self._find_rule(typed.verb, dag_id, rules) if is_dag_id(dag_id) else None
        if rule is None:
            return self._make_decision("not_open", "not_open", dag=dag_id[:100])
        arguments = match_names(typed.words[1:], rule.arguments)
        message = claimed.message
        command = DeliveredCommand(
            app_id=message.app_id,
            tenant_key=message.tenant_key,
            open_id=message.open_id,
            message_id=message.message_id,
            act="run" if typed.verb == "run" else "status" if typed.verb == "status" else "runs",
            dag_id=dag_id,
            arguments=arguments,
        )
        result = await self._deliver(claimed, command)
        if result is None:
            return None
        if result.link_url is not None:
            # Before the outcome is recorded: the link is not, and would be lost with this process.
            await self._replies.send_link(claimed, result.link_url)
        text = result.message.get(self._language) or result.outcome
        if result.run_id is not None:
            text += f"\n{self._make_link(dag_id, result.run_id)}"
        return _Decision(result.outcome, text, None if result.run_id is None else dag_id, result.run_id)

    async def _find_rule(self, act: str, dag_id: str, rules: Sequence[CommandRule]) -> CommandRule | None:
        """Return the first rule that is for a command on a DAG; tags are read as they are now."""
        tags: tuple[str, ...] = ()
        if any(rule.tags for rule in rules):
            tags = reading.read_dag(await self._api.get(f"/dags/{quote(dag_id, safe='')}")).tags
        return next((rule for rule in rules if rule.fits(act, dag_id, tags)), None)

    async def _deliver(self, claimed: ClaimedCommand, command: DeliveredCommand) -> CommandResult | None:
        """Return the plugin's result; None, and the command is put off, if it has no final one.

        Raises:
            AirflowUnavailableError: Airflow was not reached.
            InvalidRequestError: The command is too long for the plugin.
        """
        body = command.encode_body()
        if len(body) > MAX_BODY_BYTES:
            raise InvalidRequestError(
                f"A command must have at most {MAX_BODY_BYTES} bytes, got {len(body)}. Next: shorten it."
            )
        status, answer = await self._api.deliver(
            self._settings.secrets, command.message_id, body, COMMAND_PATH
        )
        try:
            result = None if answer is None else read_result(answer)
        except ValueError:
            result = None
        if result is not None and result.is_final and status not in TRANSIENT_STATUS:
            return result
        if status == _UNPROVEN:
            logger.error(
                "Command rejected by the plugin: invalid signature; check LARK_BRIDGE_SECRET",
                extra=claimed.log_fields,
            )
        reason = f"status {status}: {'no result' if result is None else result.outcome}"
        if result is None and status in _ABSENT:
            reason += "; the plugin of the API servers is of an earlier version"
        await self._postpone(claimed, reason)
        return None

    async def watch(self) -> bool:
        """Look at the runs that commands started, and return whether one has ended."""
        commands = await threads.run(lambda: self._store.claim(("running",), _MAX_WATCHED, _LEASE_SECONDS))
        return any(await asyncio.gather(*(self._watch(claimed) for claimed in commands)))

    async def _watch(self, claimed: ClaimedCommand) -> bool:
        dag_id, run_id = claimed.dag_id or "", claimed.run_id or ""
        pause = min(_LAST_WATCH, max(_FIRST_WATCH, claimed.changed_ago / 20))
        try:
            run = await self._api.get(_make_run_path(dag_id, run_id))
        except (AirflowUnavailableError, AirflowRefusedError) as error:
            return await self._handle_unread(claimed, error, pause)
        state = "deleted" if run is None else str(run.get("state"))
        if state not in {*_OVER, "deleted"}:
            if claimed.changed_ago < WATCH_SECONDS:
                await threads.run(lambda: self._store.postpone(claimed, pause))
                return False
            state = "unwatched"
        text = format_end(state, dag_id, run or {}, self._language)
        if run is not None:
            text += f"\n{self._make_link(dag_id, run_id)}"
        return await threads.run(lambda: self._store.record_ended(claimed, text))

    async def _handle_unread(self, claimed: ClaimedCommand, error: LarkError, pause: float) -> bool:
        """Try a run that cannot be read again later, or give it up, and return whether it was given up."""
        fields = claimed.log_fields | {"error": str(error)}
        if claimed.changed_ago >= WATCH_SECONDS:
            text = format_end("unwatched", claimed.dag_id or "", {}, self._language)
            is_ended = await threads.run(lambda: self._store.record_ended(claimed, text))
            if is_ended:
                logger.error("Run of a chat command given up; its end is not reported", extra=fields)
            return is_ended
        fields["retry_in_s"] = round(pause, 1)
        self._throttle.log(
            logger.warning,
            "Run of a chat command not read; will retry",
            extra=fields,
            kind=type(error).__name__,
        )
        await threads.run(lambda: self._store.postpone(claimed, pause))
        return False

    async def _postpone(self, claimed: ClaimedCommand, reason: str) -> None:
        pause = pause_after(claimed.attempts, _FIRST_PAUSE, _MAX_PAUSE)
        fields = claimed.log_fields | {"reason": reason, "retry_in_s": round(pause, 1)}
        self._throttle.log(
            logger.warning,
            "Chat command not performed; will retry",
            extra=fields,
            kind=reason[:40],
        )
        await threads.run(lambda: self._store.postpone(claimed, pause))

    async def _measure(self) -> None:
        if not meters.sinks:
            return
        counts = await threads.run(self._store.count_by_state)
        for state in measured.COMMAND_STATES:
            measured.BRIDGE_COMMANDS_OPEN.set(counts.get(state, 0), state)

    @property
    def _language(self) -> str:
        return self._routes.read_current().language

    def _make_decision(self, outcome: str, name: str, **values: str) -> _Decision:
        return _Decision(outcome, format_text(name, self._language, **values))

    def _make_link(self, dag_id: str, run_id: str) -> str:
        return f"{self._settings.public_url}/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"


def _make_run_path(dag_id: str, run_id: str) -> str:
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
