"""`LarkNotifier`: tells people what a DAG did, and never makes things worse."""

from __future__ import annotations

import asyncio
import copy
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from lark_provider.hooks import airflow_version  # noqa: F401 - first, for its clear sentence

from airflow.sdk import BaseNotifier  # isort: skip

from lark_provider.errors import ConfigurationError
from lark_provider.notifications import asking
from lark_provider.notifications.facts import EVENTS, Event, Facts
from lark_provider.notifications.texts import LANGUAGES, Language

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Connection, Context

    from lark_provider.api.messaging import MessageType
    from lark_provider.api.receivers import ReceiverIdType
    from lark_provider.client import AsyncLarkServiceClient
    from lark_provider.hooks.lark import LarkHook
    from lark_provider.hooks.webhook import LarkWebhookHook
    from lark_provider.notifications.bounded import Countdown
    from lark_provider.notifications.delivery import Message

    Prepare: TypeAlias = Callable[[Any], tuple["LarkNotifier", dict[str, Any]]]


class LarkNotifier(BaseNotifier):
    """Tell somebody in Lark what happened: `on_failure_callback=LarkNotifier(receiver_id="oncall")`.

    For callbacks of tasks and DAGs (failure, retry, success), deadlines (`AsyncCallback`, `SyncCallback`) and
    human-in-the-loop operators. It raises nothing while a DAG runs and takes no longer than its deadline;
    what could not be sent is one line in the log.

    Failures of one DAG run share one card, which counts them, lists the tasks and turns green when all is
    mended: use the same notifier as `on_success_callback` of the tasks or of the DAG.

    Args:
        receiver_id: An id, an e-mail address, or a name from the connection's `receivers`.
        receiver_id_type: The kind of `receiver_id`, if its shape misleads.
        lark_conn_id: The connection.
        content: What to send instead of the default: card JSON, or text or a post with `msg_type=`.
        msg_type: Lark's name for the type; with `text` or `post` the default is plain lines.
        language: Of the default: `zh` or `en`.
        mentions: `"owner"` for the owners, who are looked up in the connection's `owners`; their names,
            open_ids, e-mail addresses or `"all"`.
        event: What happened, if the context is not to be asked: `failure`, `retry`, `success`,
            `dag_failure`, `dag_success`, `deadline` or `notice`.
        fallback_conn_id: A connection for when the first one fails, of an app or of a custom bot; it is left
            two fifths of the time.
        idempotency_key: Any text that names this message; by default told by what happened where.
        one_card_per_run: Whether failures of one run share a default card.
        quiet_success: Say nothing about a success that mends no failure.
        deadline: Seconds for everything.

    Raises:
        ConfigurationError: When it is made: a language, event or deadline that cannot be.
    """

    template_fields: Sequence[str] = (
        "receiver_id",
        "content",
        "mentions",
        "idempotency_key",
        "lark_conn_id",
        "fallback_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"content": "json"}
    _user_ids: ClassVar[bool] = False  # whether people may be named by user_id

    def __init__(
        self,
        *,
        receiver_id: str,
        receiver_id_type: ReceiverIdType | None = None,
        lark_conn_id: str = "lark_default",
        content: Mapping[str, Any] | str | None = None,
        msg_type: MessageType = "interactive",
        language: Language = "zh",
        mentions: str | Sequence[str] = (),
        event: Event | None = None,
        fallback_conn_id: str | None = None,
        idempotency_key: str | None = None,
        one_card_per_run: bool = True,
        quiet_success: bool = False,
        deadline: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, known in (("language", language, LANGUAGES), ("event", event, (None, *EVENTS))):
            if value not in known:
                words = ", ".join(repr(one) for one in known if one)
                raise ConfigurationError(f"{name} is {value!r}. Next: use one of {words}.")
        if not (isinstance(deadline, int | float) and 0 < deadline <= 300):  # noqa: PLR2004 - no task should wait longer for a notification
            raise ConfigurationError(
                f"deadline is {deadline!r}. Next: pass seconds, more than 0, at most 300."
            )
        self.receiver_id = receiver_id
        self.receiver_id_type = receiver_id_type
        self.lark_conn_id = lark_conn_id
        self.content = content
        self.msg_type = msg_type
        self.language = language
        self.mentions = mentions
        self.event = event
        self.fallback_conn_id = fallback_conn_id
        self.idempotency_key = idempotency_key
        self.one_card_per_run = one_card_per_run
        self.quiet_success = quiet_success
        self.deadline = deadline

    # Airflow's two entrances. Its own let errors of templates through, and render the notifier itself, which
    # would keep the first task's words when a process runs several. Here templates are rendered within the
    # deadline, too: what they ask for may hang.

    def __call__(self, *args: Any) -> None:
        """Notify of a context, as Airflow calls it."""
        self._blocking(args[0] if args else self.context, self._rendered)

    def __await__(self) -> Generator[Any, None, None]:
        """Notify of the context given when it was made, as Airflow's triggerer awaits it."""
        return self._awaiting(self.context, self._rendered).__await__()

    def notify(self, context: Context) -> None:
        """Tell, within the deadline, and raise nothing.

        Args:
            context: Airflow's.
        """
        self._blocking(context, self._as_it_is)

    async def async_notify(self, context: Context) -> None:
        """Tell, within the deadline, without blocking the loop, and raise nothing but its own cancellation.

        There are no Variables here, so each failure is a card of its own.

        Args:
            context: Airflow's.
        """
        await self._awaiting(context, self._as_it_is)

    def _blocking(self, context: Any, prepare: Prepare) -> None:
        from lark_provider.notifications import bounded  # noqa: PLC0415 - DAG files are parsed without it

        left = bounded.Countdown(self.deadline)

        async def work() -> None:
            ready, known = prepare(context)
            await ready._tell(known, left, may_block=True)  # noqa: SLF001 - our own copy

        try:
            bounded.run(work, left.left())
        except Exception as error:  # noqa: BLE001 - never worse than no message
            self._failed(context, error)

    async def _awaiting(self, context: Any, prepare: Prepare) -> None:
        from lark_provider.notifications import bounded  # noqa: PLC0415 - as above

        left = bounded.Countdown(self.deadline)

        async def prepared() -> tuple[LarkNotifier, dict[str, Any]]:
            return prepare(context)

        try:
            ready, known = await asyncio.to_thread(bounded.run, prepared, left.left())
            async with asyncio.timeout(left.left() + 0.1):
                await ready._tell(known, left, may_block=False)  # noqa: SLF001 - as above
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(context, error)

    async def _tell(self, context: Mapping[str, Any], left: Countdown, *, may_block: bool) -> None:
        facts = asking.read(context, self.event)
        conn_ids = list(dict.fromkeys(filter(None, (self.lark_conn_id, self.fallback_conn_id))))
        trouble = ""
        for index, conn_id in enumerate(conn_ids, 1):
            share = left.left() * (1.0 if index == len(conn_ids) else 0.6)
            try:
                async with asyncio.timeout(share):
                    sent = await self._over(conn_id, share, facts, context, may_block=may_block)
            except Exception as error:  # noqa: BLE001 - the next connection, or the log
                trouble += f" {conn_id}: {asking.one_line(error, share)}"
                continue
            if sent:
                how = f", after trouble with{trouble}" if trouble else ""
                log = self.log.warning if trouble else self.log.info
                log("Told %s of %s: %s%s", self.receiver_id, asking.where(context), ", ".join(sent), how)
            return
        self.log.error("Could not tell %s of %s.%s", self.receiver_id, asking.where(context), trouble)

    async def _over(
        self, conn_id: str, seconds: float, facts: Facts, context: Mapping[str, Any], *, may_block: bool
    ) -> Sequence[str]:
        from lark_provider.hooks.lark import LarkHook  # noqa: PLC0415 - as above
        from lark_provider.notifications import bounded  # noqa: PLC0415 - as above
        from lark_provider.notifications.delivery import deliver  # noqa: PLC0415 - as above
        from lark_provider.notifications.incident import after  # noqa: PLC0415 - as above
        from lark_provider.notifications.memory import Memory  # noqa: PLC0415 - as above

        hook = LarkHook(conn_id, timeout=seconds, max_retries=bounded.repeats(seconds))
        left = bounded.Countdown(seconds)
        # Not by the hook's property: until Python 3.12 all hooks wait for one that hangs in it.
        get = functools.partial(hook.get_connection, conn_id)
        hook.connection = await (bounded.aside(get, seconds) if may_block else hook.aget_connection(conn_id))
        if hook.connection.conn_type == "lark_webhook":
            return await self._over_bot(conn_id, seconds, facts, hook.connection)
        client = await hook.get_async_conn()
        to = hook.receiver(self.receiver_id, self.receiver_id_type)
        memory = incident = before = None
        if self.one_card_per_run and self.content is None and self.msg_type == "interactive":
            states: Mapping[str, str] = {}
            if may_block:
                memory = Memory(conn_id, self.receiver_id, facts.dag_id)
                try:
                    async with asyncio.timeout(left.left() / 2):  # the rest is for telling
                        before, states = await memory.known(facts, context, seconds)
                except TimeoutError:
                    self.log.info("Airflow's Variables are late: this is told apart from what went before.")
                    memory = None
            incident = after(before, facts, states)
        if incident is None and self.quiet_success and facts.of_success:
            return ()
        message = self._message(hook, conn_id, facts)
        key = self.idempotency_key or self._key(client, facts)
        instead = before.cards if before and incident else ()
        cards = await deliver(client, to, message, facts, incident, key=key, instead=instead)
        if memory and incident:
            show = functools.partial(deliver, client, to, message, facts, key=key)
            try:
                shown = incident.with_cards(*cards)
                await memory.remember(facts.run_id, shown, before, show, left.left() - 0.1)
            except Exception as error:  # noqa: BLE001 - it is told, whatever becomes of its memory
                self.log.info("What follows may be told apart. %s", asking.one_line(error, seconds))
        return cards

    async def _over_bot(
        self, conn_id: str, seconds: float, facts: Facts, connection: Connection
    ) -> Sequence[str]:
        from lark_provider.hooks.webhook import LarkWebhookHook  # noqa: PLC0415 - as above
        from lark_provider.notifications import bot, bounded  # noqa: PLC0415 - as above

        if self.quiet_success and facts.of_success:
            return ()
        hook = LarkWebhookHook(conn_id, timeout=seconds, max_retries=bounded.repeats(seconds))
        hook.connection = connection
        message = self._message(hook, conn_id, facts)
        return await bot.deliver(await hook.get_async_conn(), message, facts, hook.keywords)

    def _message(self, hook: LarkHook | LarkWebhookHook, conn_id: str, facts: Facts) -> Message:
        from lark_provider.notifications import people  # noqa: PLC0415 - as above
        from lark_provider.notifications.delivery import Message  # noqa: PLC0415 - as above
        from lark_provider.notifications.excerpt import sendable  # noqa: PLC0415 - as above

        known = hook.owners if self.mentions else {}
        found = people.people(self.mentions, facts.owners, known, user_ids=self._user_ids)
        for name in people.unheard_of(found):
            self.log.warning(
                "%r is mentioned by name only. Next: add it with an open_id or e-mail address to the extra "
                "'owners' of connection %r.",
                name,
                conn_id,
            )
        return Message(sendable(self.content), self.msg_type, self.language, found)

    def _key(self, client: AsyncLarkServiceClient, facts: Facts) -> str:
        """Name the message by what happened where, so that Lark knows a repeat of the same callback."""
        what = [facts.event, str(facts.try_number), facts.deadline_id]
        where = [facts.dag_id, facts.run_id, facts.task_id, str(facts.map_index)]
        return "\n".join([client.base_url, client.app_id, "notifier", *where, *what, self.receiver_id])

    def _failed(self, context: Any, error: BaseException) -> None:
        why = asking.one_line(error, self.deadline)
        self.log.error("Could not tell %s of %s. %s", self.receiver_id, asking.where(context), why)

    def _as_it_is(self, context: Any) -> tuple[LarkNotifier, dict[str, Any]]:
        return self, dict(context or {})

    def _rendered(self, context: Any) -> tuple[LarkNotifier, dict[str, Any]]:
        ready, known = copy.copy(self), dict(context or {})
        ready._update_context(known)  # type: ignore[arg-type]  # noqa: SLF001 - our own copy
        try:
            ready.render_template_fields(known)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the default tells more than nothing
            why = asking.one_line(error, self.deadline)
            self.log.warning("A template failed; the default is sent. %s", why)
            ready = copy.copy(self)
            ready.content, ready.msg_type, ready.idempotency_key = None, "interactive", None
            ready.render_template_fields(known)  # type: ignore[arg-type]
        return ready, known

    def get_template_env(self, dag: DAG | None = None) -> jinja2.Environment:
        """The environment for templates; `airflow dags test` hands a DAG over that has none of its own."""
        return super().get_template_env(dag if hasattr(dag, "get_template_env") else None)
