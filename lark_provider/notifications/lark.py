"""`LarkNotifier`: notify people in Lark of what a DAG did, within a deadline and without raising."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from airflow.sdk import BaseNotifier

from lark_provider.errors import ConfigurationError
from lark_provider.hooks import airflow_config
from lark_provider.hooks.templates import StrictTemplates
from lark_provider.notifications import airflow_context
from lark_provider.protocol.incidents.event import EVENT_KINDS, EventKind
from lark_provider.protocol.language import LANGUAGES, Language

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context

    from lark_provider.api.messaging import MessageType
    from lark_provider.api.receivers import ReceiverIdType

    Prepare: TypeAlias = Callable[[Any], tuple["LarkNotifier", dict[str, Any]]]

_MAX_DEADLINE = 300  # seconds that a task may wait for a notification


class LarkNotifier(StrictTemplates, BaseNotifier):
    """Notify a person or a chat in Lark: `on_failure_callback=LarkNotifier(receiver_id="oncall")`.

    For callbacks of tasks and DAGs (failure, retry, success), deadlines (`AsyncCallback`, `SyncCallback`) and
    human-in-the-loop operators. It raises nothing while a DAG runs and takes no longer than its deadline. A
    notification that could not be sent is one ERROR line in the log.

    With a database for Lark it is recorded first, so that it is delivered even if Lark is unavailable now: by
    the bridge, the pump, or `lark-provider outbox run`. Without one it is sent directly.

    Failures of one DAG run share one card, which counts them, lists the tasks and turns green when all have
    recovered: use the same notifier as `on_success_callback` of the tasks or of the DAG.

    Among the `notifiers` of a human-in-the-loop operator it says that a person is asked, with a link to
    Airflow's page. Where `lark-provider airflow bridge` runs, the bridge asks on a card of its own, and this
    notifier stays silent: set `[lark] bridge = True` in Airflow's configuration, or `LARK_BRIDGE=1`.

    A task whose process is killed (SIGKILL, out of memory) fires the DAG's callback only. Airflow passes it
    no exception: the card takes it from the tasks' logs where the DAG processor can read them.

    Args:
        receiver_id: An id, an e-mail address, or a name from the connection's `receivers`.
        receiver_id_type: What kind of id `receiver_id` is; None to infer it from the id itself.
        lark_conn_id: The connection.
        content: What to send instead of the default: card JSON, or text or a post with `msg_type=`; or
            a template file, as for `LarkSendMessageOperator`.
        msg_type: Lark's name for the type; with `text` or `post` the default is plain lines.
        language: Of the default: `zh` or `en`.
        mentions: `"owner"` for the owners, who are looked up in the connection's `owners`; their names,
            open_ids, e-mail addresses or `"all"`. What cannot be read is left out, with a warning.
        event: What happened; None to derive it from the context: `failure`, `retry`, `success`,
            `dag_failure`, `dag_success`, `deadline` or `notice`.
        fallback_conn_id: A connection of an app or a custom bot, used if the first one fails; two fifths of
            the time are reserved for it.
        idempotency_key: Any text that identifies this message; by default derived from the event and from
            `content`, `msg_type` and `language`.
        one_card_per_run: Whether failures of one run share a default card.
        quiet_success: Whether to send nothing for a success, unless it resolves a failure reported before.
        deadline: Seconds for everything, at most 300.

    Raises:
        ConfigurationError: In the constructor: an unknown language or event, or an invalid deadline.
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
    required_templates: ClassVar[Collection[str]] = ("receiver_id", "content")
    #: Whether connections of custom bots alone are used, which can mention people by user_id.
    bots_only: ClassVar[bool] = False

    def __init__(
        self,
        *,
        receiver_id: str,
        receiver_id_type: ReceiverIdType | None = None,
        lark_conn_id: str = "lark_default",
        content: Mapping[str, Any] | str | None = None,
        msg_type: MessageType = "interactive",
        language: Language = "zh",
        mentions: str | Sequence[str] | None = (),
        event: EventKind | None = None,
        fallback_conn_id: str | None = None,
        idempotency_key: str | None = None,
        one_card_per_run: bool = True,
        quiet_success: bool = False,
        deadline: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, choices in (
            ("language", language, LANGUAGES),
            ("event", event, (None, *EVENT_KINDS)),
        ):
            if value not in choices:
                words = ", ".join(repr(choice) for choice in choices if choice)
                raise ConfigurationError(
                    f"{name} must be one of {words}, got {value!r}. Next: write it in exactly this spelling."
                )
        if not (isinstance(deadline, int | float) and 0 < deadline <= _MAX_DEADLINE):
            raise ConfigurationError(
                f"deadline must be more than 0 and at most {_MAX_DEADLINE} seconds, got {deadline!r}. Next: "
                "pass a number of seconds such as 30."
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
        # By the content before it is rendered: a template may render otherwise when Airflow calls once more.
        self.message_digest = _digest_message(content, msg_type, language)

    # Airflow calls or awaits a notifier. Airflow's own methods raise errors of templates, and render the
    # notifier itself, which would keep the first task's values when a process runs several. Here a copy is
    # rendered, and within the deadline: a template may query something that hangs.

    def __call__(self, *args: Any) -> None:
        """Notify of the context that Airflow passes."""
        self._notify_blocking(args[0] if args else self.context, self._make_rendered_copy)

    def __await__(self) -> Generator[Any, None, None]:
        """Notify of the context passed to the constructor; Airflow's triggerer awaits it."""
        return self._notify_async(self.context, self._make_rendered_copy).__await__()

    def notify(self, context: Context) -> None:
        """Notify within the deadline, and raise nothing.

        Args:
            context: The Airflow context of the callback.
        """
        self._notify_blocking(context, self._as_given)

    async def async_notify(self, context: Context) -> None:
        """Notify within the deadline, without blocking the loop, and raise nothing but its own cancellation.

        Without a database for Lark, each failure is a card of its own here: Variables are not available.

        Args:
            context: The Airflow context of the callback.
        """
        await self._notify_async(context, self._as_given)

    def _notify_blocking(self, context: Any, prepare: Prepare) -> None:
        from lark_provider.notifications import deadline, sending

        time_limit = deadline.Deadline(self.deadline)

        async def prepare_and_send() -> None:
            ready, values = prepare(context)
            await sending.send(ready, values, time_limit, may_block=True)

        try:
            if not self._is_asked_by_bridge(context):
                deadline.run(prepare_and_send, time_limit.compute_remaining())
        except Exception as error:  # noqa: BLE001 - a callback must not fail its task
            self._log_failure(context, error)

    async def _notify_async(self, context: Any, prepare: Prepare) -> None:
        from lark_provider.notifications import deadline, sending

        time_limit = deadline.Deadline(self.deadline)

        async def prepare_here() -> tuple[LarkNotifier, dict[str, Any]]:
            return prepare(context)

        try:
            if self._is_asked_by_bridge(context):
                return
            ready, values = await asyncio.to_thread(
                deadline.run, prepare_here, time_limit.compute_remaining()
            )
            async with asyncio.timeout(time_limit.compute_remaining() + 0.1):
                await sending.send(ready, values, time_limit, may_block=False)
        except Exception as error:  # noqa: BLE001 - a callback must not fail its task
            self._log_failure(context, error)

    def _is_asked_by_bridge(self, context: Any) -> bool:
        """Return whether the bridge asks the question that Airflow notifies of here."""
        task = (context or {}).get("task")
        is_question = any(notifier is self for notifier in getattr(task, "notifiers", None) or ())
        if not is_question or not airflow_config.should_run_bridge():
            return False
        self.log.info("The bridge asks the question", source=airflow_context.format_place(context))
        return True

    def shares_cards_with(self, other: object) -> bool:
        """Return whether another callback updates the same cards as this notifier."""
        names = ("receiver_id", "lark_conn_id", "one_card_per_run", "content", "msg_type")
        return isinstance(other, LarkNotifier) and all(getattr(self, n) == getattr(other, n) for n in names)

    def _log_failure(self, context: Any, error: BaseException) -> None:
        self.log.error(
            "Failed to send the notification",
            receiver=self.receiver_id,
            source=airflow_context.format_place(context),
            error=airflow_context.format_error(error, self.deadline),
        )

    def _as_given(self, context: Any) -> tuple[LarkNotifier, dict[str, Any]]:
        return self, dict(context or {})

    def _make_rendered_copy(self, context: Any) -> tuple[LarkNotifier, dict[str, Any]]:
        ready, values = copy.copy(self), dict(context or {})
        ready._update_context(values)  # type: ignore[arg-type]  # noqa: SLF001 - our own copy
        try:
            ready.render_template_fields(values)  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - the default message is sent instead
            why = airflow_context.format_error(error, self.deadline)
            self.log.warning("Template failed; sending the default message", error=why)
            ready = self._make_default_copy(values)
        return ready, values

    def _make_default_copy(self, values: dict[str, Any]) -> LarkNotifier:
        """Return a copy for the default message, without the options whose templates fail.

        Raises:
            Exception: The receiver or each connection has a template that fails.
        """
        ready = copy.copy(self)
        ready.content, ready.msg_type, ready.idempotency_key = None, "interactive", None
        failed: dict[str, Exception] = {}
        for name in self.template_fields:
            ready.template_fields = (name,)
            try:
                ready.render_template_fields(values)  # type: ignore[arg-type]
            except Exception as error:  # noqa: BLE001 - the message is sent without this option
                failed[name] = error
        ready.template_fields = self.template_fields
        if "receiver_id" in failed:
            raise failed["receiver_id"]
        if "mentions" in failed:
            ready.mentions = ()
        if "fallback_conn_id" in failed:
            ready.fallback_conn_id = None
        if "lark_conn_id" in failed:
            if ready.fallback_conn_id is None:
                raise failed["lark_conn_id"]
            ready.lark_conn_id = ready.fallback_conn_id
        return ready

    def get_template_env(self, dag: DAG | None = None) -> jinja2.Environment:
        """Return the environment for templates; a DAG that `airflow dags test` passes has none of its own."""
        return super().get_template_env(dag if hasattr(dag, "get_template_env") else None)


def _digest_message(*parts: Any) -> str:
    """Return what tells a notifier's message from another's about the same event, in any process."""
    text = json.dumps(parts, skipkeys=True, default=lambda part: type(part).__name__)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
