"""Ask for a native approval (审批), wait until people have decided, and continue with the decision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferralTimeout

from lark_provider.errors import LarkError, NotFoundError
from lark_provider.hooks.task import (
    compute_first_try,
    convert_lark_errors,
    make_attempt_key,
    make_task_key,
    read_run_start,
    will_retry,
)
from lark_provider.operators.base import LarkOperator
from lark_provider.operators.question_arguments import OnReject, check_on_reject
from lark_provider.support import measured

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from lark_provider.api.approval.model import Instance

INSTANCE_XCOM = "lark_approval_instance"
_APPROVED, _CANCELED = "APPROVED", "CANCELED"
_MAX_TRIES, _MAX_STARTS = 100, 10
"""How many earlier tries of a cleared task, and how many starts among them that have asked, are looked at for
an instance to withdraw. Most tries are retries, which have asked for nothing of their own."""
_CLOCK_SKEW = timedelta(minutes=1)
"""By how much Airflow's clock may be ahead of Lark's."""


class LarkNativeApprovalOperator(LarkOperator):
    """Start an approval that was defined in Lark (审批), and wait for its outcome.

    The instance is created once for all retries of a task, whatever answers are lost: a retry goes on waiting
    for the same one. A task that is cleared asks again, and withdraws the instance before where the
    definition lets submitters withdraw. While it waits, no worker is held: the triggerer reads the instance
    every `poll_interval` seconds, and at once on an event where a broker is configured.

    An approval that is reverted after it was approved changes nothing any more: the log and `reverted` in
    the result say so. `redirect_all_to` of the connection does not apply: an approval has no
    chat.

    Args:
        approval_code: Of the definition; it is in the address of its page (`definitionCode=…`).
        form: Field → value, see `client.approval.create_instance`.
        submitter: Who asks: an open_id, user_id, e-mail address, mobile number or a name from the
            connection's `receivers`.
        approvers: Step → people, for steps whose approvers are named by the submitter.
        copies: Likewise, who gets a copy.
        department_id: The submitter's department, if there are several.
        zone: The time zone of naive datetimes and of dates in the form; that of the DAG if None.
        on_reject: After a rejection, a withdrawal or a deletion, `fail` the task, `skip` it, or `return` the
            outcome.
        withdraw: Whether the instance is withdrawn when the task is cleared, marked or deleted while it
            waits (in the triggerer: Airflow 3.3 and later), or stopped on its worker in its last attempt, as
            by `execution_timeout`: a retry goes on waiting for it.
        poll_interval: Seconds between two looks.
        timeout: Seconds, or a timedelta, until the attempt fails although the approval is pending; None for
            no limit. A retry goes on waiting for the same instance.
        deferrable: Wait in the triggerer, without a worker; the default.
        lark_conn_id: The connection.

    Returns:
        As XCom: `instance_code`, `serial_number`, `status`, `reverted`, `form` (field → value, as people
        filled it in, times in ISO 8601) and `tasks` (each person's part: `open_id`, `node`, `status`).

    Raises:
        AirflowFailException: It was not approved and `on_reject` is `fail`; the task was stopped, and has
            withdrawn it; or Lark refuses the request.
        AirflowSkipException: It was not approved and `on_reject` is `skip`.
        TaskDeferralTimeout: Its time was up.
    """

    template_fields: Collection[str] = (
        "approval_code",
        "form",
        "submitter",
        "approvers",
        "copies",
        "lark_conn_id",
    )
    required_templates: ClassVar[Collection[str]] = ("approval_code", "submitter")

    def __init__(
        self,
        *,
        approval_code: str,
        form: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        submitter: str,
        approvers: Mapping[str, Iterable[str]] | None = None,
        copies: Mapping[str, Iterable[str]] | None = None,
        department_id: str | None = None,
        zone: str | None = None,
        on_reject: OnReject = "fail",
        withdraw: bool = True,
        poll_interval: float = 30.0,
        timeout: timedelta | float | None = None,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_on_reject(on_reject)
        self.approval_code, self.form, self.submitter = approval_code, form, submitter
        self.approvers, self.copies, self.department_id = approvers, copies, department_id
        self.zone, self.on_reject, self.withdraw, self.deferrable = zone, on_reject, withdraw, deferrable
        self.poll_interval = _convert_seconds("poll_interval", poll_interval)
        self.timeout = None if timeout is None else _convert_seconds("timeout", timeout)
        self._waits_for: str | None = None
        self._waits_in: Context | None = None
        self._was_stopped = False

    def execute(self, context: Context) -> Any:
        """Create the instance unless an earlier attempt has, and wait."""
        with convert_lark_errors():
            self._withdraw_earlier(context)
            instance = self._create(context)
        context["ti"].xcom_push(key=INSTANCE_XCOM, value=instance.code)
        self.log.info("Approval created or found", instance_code=instance.code, **_describe(instance))
        if instance.is_final:
            return self._apply_status(instance, str(instance.status))
        if self.deferrable:
            self._defer(context, instance)
        self._waits_in = context
        return self._wait(instance)

    def _defer(self, context: Context, instance: Instance) -> NoReturn:
        from lark_provider.triggers.native_approval import LarkNativeApprovalTrigger

        ti = context["ti"]
        map_index = -1 if ti.map_index is None else int(ti.map_index)
        origin = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": map_index}
        self.defer(
            trigger=LarkNativeApprovalTrigger(
                instance.code,
                approval_code=instance.approval_code,
                lark_conn_id=self.lark_conn_id,
                poll_interval=self.poll_interval,
                withdraw=self.withdraw,
                origin=origin,
            ),
            method_name="execute_complete",
            timeout=None if self.timeout is None else timedelta(seconds=self.timeout),
        )
        raise AssertionError  # `defer` raises

    def execute_complete(self, context: Context, event: Mapping[str, Any] | None = None) -> Any:
        """Continue with what the trigger has seen.

        A task that was of another operator when it began to wait starts from its beginning. So does one that
        was removed from its DAG file and has returned, which Airflow resumes without an event.

        Args:
            context: The task's Airflow context.
            event: The trigger's event: `instance_code`, and the `status` that ended the wait, or `error` with
                a `message`.

        Raises:
            AirflowFailException: Waiting failed, or it was not approved.
            AirflowSkipException: It was not approved, and `on_reject` is `skip`.
        """
        if not isinstance(event, Mapping) or "instance_code" not in event:
            self.log.warning("Resumed without its own approval; starting from the beginning.")
            return self.execute(context)
        if event["status"] == "error":
            _count("failed")
            raise AirflowFailException(event["message"])
        with convert_lark_errors():
            instance = self.hook.client.approval.get_instance(event["instance_code"])
        return self._apply_status(instance, str(event["status"]))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the wait in the triggerer, also after its timeout."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            # A decision that came in time counts, even if no triggerer was running to see it.
            with convert_lark_errors():
                instance = self._obtain_instance(context)
            if not instance.is_final:
                _count("timeout")
                raise
            return self._apply_status(instance, str(instance.status))

    def _obtain_instance(self, context: Context) -> Instance:
        """Return the instance that this attempt waits for, whatever the DAG file says by now."""
        ti = context["ti"]
        code = ti.xcom_pull(task_ids=ti.task_id, key=INSTANCE_XCOM, map_indexes=ti.map_index)
        return self._create(context) if code is None else self.hook.client.approval.get_instance(str(code))

    def _withdraw_earlier(self, context: Context) -> None:
        """Withdraw what this task asked for before it was cleared, if that is still pending."""
        newest = compute_first_try(context) - 1
        if not self.withdraw or newest < 1:
            return
        key = make_task_key(context, self.hook.client, "approval", self.approval_code)
        try:
            starts = 0
            for number in range(newest, max(0, newest - _MAX_TRIES), -1):
                starts += self._withdraw_start(f"{key}\n{number}")
                if starts == _MAX_STARTS:
                    break
        except LarkError as error:
            self.log.warning("Failed to withdraw an earlier approval", error=str(error))

    def _withdraw_start(self, key: str) -> bool:
        """Withdraw what one start of this task asked for, in this run and in deleted ones of the same id.

        Args:
            key: The idempotency key of the start. For a retry there is nothing under it.

        Returns:
            Whether it asked for anything.
        """
        from lark_provider.api.approval.instances import compute_instance_uuid

        start = key
        with suppress(NotFoundError):
            while True:
                instance = self.hook.client.approval.cancel_instance(compute_instance_uuid(key))
                self.log.info("Earlier approval withdrawn unless it had ended", **_describe(instance))
                key = _make_successor_key(key, instance)
        return key != start

    def _create(self, context: Context) -> Instance:
        """Create the instance, unless there is one that was created for this run."""
        from lark_provider.api.approval.instances import compute_instance_uuid

        key = make_attempt_key(context, self.hook.client, "approval", self.approval_code)
        instance = self._create_once(context, key)
        run_start, _ = read_run_start(context)
        # Airflow changes the start of a run that was not deleted only after all of its tasks have ended. A
        # task that is cleared then has a key of its own, so an older instance is that of a deleted run.
        while _is_older(instance, run_start):
            key = _make_successor_key(key, instance)
            try:
                instance = self.hook.client.approval.get_instance(compute_instance_uuid(key))
            except NotFoundError:
                self.log.info("Approval is older than the run; asking again", **_describe(instance))
                # Returned whatever its age: a clock that is wrong must not ask again and again.
                return self._create_once(context, key)
        return instance

    def _create_once(self, context: Context, key: str) -> Instance:
        client = self.hook.client
        zone = getattr(context.get("dag"), "timezone", None)
        alias = self.hook.alias
        return client.approval.create_instance(
            self.approval_code,
            self.form,
            submitter=alias(self.submitter),
            idempotency_key=key,
            approvers=_apply_aliases(self.approvers, alias),
            copies=_apply_aliases(self.copies, alias),
            department_id=self.department_id,
            zone=self.zone or (str(getattr(zone, "name", None) or zone) if zone else None),
        )

    def _wait(self, instance: Instance) -> Any:
        """Wait on the worker."""
        self._waits_for = instance.code
        ends = None if self.timeout is None else time.monotonic() + self.timeout
        while not instance.is_final:
            left = math.inf if ends is None else ends - time.monotonic()
            if left <= 0:
                _count("timeout")
                raise TaskDeferralTimeout(
                    f"Approval {instance.serial_number} must be decided within {self.timeout:g} s, and is "
                    "pending. Next: ask its approvers; a retry goes on waiting for the same instance."
                )
            time.sleep(min(self.poll_interval, left))
            try:
                instance = self.hook.client.approval.get_instance(instance.code)
            except LarkError as error:
                if not error.retryable:
                    _count("failed")
                    raise AirflowFailException(f"{type(error).__name__}: {error}") from error
                fields = {"instance_code": instance.code, "error": str(error)}
                self.log.warning("Approval not read; still waiting for it", **fields)
        self._waits_for = None
        if self._was_stopped and instance.status == _CANCELED:
            # No person has decided this, so it is not what `on_reject` is for.
            raise AirflowFailException(
                f"Approval {instance.serial_number} was withdrawn, since its task was stopped. Next: clear "
                "the task to ask again."
            )
        return self._apply_status(instance, str(instance.status))

    def _apply_status(self, instance: Instance, status: str) -> dict[str, Any]:
        """Act on the status that ended the wait: a later one is reported, and changes nothing."""
        is_reverted = status == _APPROVED and instance.is_reverted
        _count("reverted" if is_reverted else status.lower())
        if is_reverted:
            self.log.warning(
                "Approval was reverted after it was approved; the task goes on", **_describe(instance)
            )
        if status != _APPROVED:
            text = f"Approval {instance.serial_number} ({instance.name}) is {status}."
            if self.on_reject == "fail":
                raise AirflowFailException(f"{text} Next: clear the task to ask again, or set on_reject.")
            if self.on_reject == "skip":
                raise AirflowSkipException(text)
        return {
            "instance_code": instance.code,
            "serial_number": instance.serial_number,
            "status": status,
            "reverted": instance.is_reverted,
            "form": _convert_value(instance.form),
            "tasks": [
                {"open_id": task.open_id, "node": task.node, "status": str(task.status)}
                for task in instance.tasks
            ],
        }

    def on_kill(self) -> None:
        """Withdraw the instance of a task that is stopped while it waits on its worker, if no retry follows.

        Airflow calls this also when a worker is shut down or `execution_timeout` has passed. The retry would
        find an instance that is withdrawn, as if a person had done so.
        """
        if not (self.withdraw and self._waits_for):
            return
        if self._waits_in is not None and will_retry(self._waits_in):
            self.log.info("Task stopped; its approval stays for the retry", instance_code=self._waits_for)
            return
        self._was_stopped = True
        try:
            instance = self.hook.client.approval.cancel_instance(self._waits_for)
        except LarkError as error:
            fields = {"instance_code": self._waits_for, "error": str(error)}
            self.log.warning("Failed to withdraw an approval", **fields)
        else:
            self.log.info("Approval withdrawn unless it had ended", **_describe(instance))


def _describe(instance: Instance) -> dict[str, str]:
    """Return the fields that log lines name an approval by."""
    return {"serial_number": instance.serial_number, "status": str(instance.status)}


def _count(outcome: str) -> None:
    """Count a wait that ended, in Airflow's statistics where there are any."""
    from lark_provider.hooks import reporting  # DAG files are parsed without it.

    reporting.start()  # No client has done so where the trigger reports an error.
    measured.NATIVE_APPROVALS.add(outcome)


def _is_older(instance: Instance, run_start: datetime | None) -> bool:
    return (
        run_start is not None
        and instance.started_at is not None
        and instance.started_at < run_start - _CLOCK_SKEW
    )


def _make_successor_key(key: str, instance: Instance) -> str:
    """Return the key of the instance that a new run of the same id creates instead of a deleted run's.

    It does not depend on when the run began, so that a cleared task finds the instance also after Airflow has
    changed that.
    """
    return f"{key}\n{instance.code}"


def _convert_seconds(name: str, value: Any) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not (is_number and math.isfinite(seconds) and seconds > 0):
        raise ValueError(
            f"{name} must be a positive number of seconds, got {value!r}. Next: pass 30.0 or "
            "timedelta(seconds=30)."
        )
    return float(seconds)


def _apply_aliases(
    steps: Mapping[str, Iterable[str]] | None, alias: Callable[[str], str]
) -> dict[str, list[str]] | None:
    if steps is None:
        return None
    return {
        step: [alias(person) for person in ([people] if isinstance(people, str) else people)]
        for step, people in steps.items()
    }


def _convert_value(value: Any) -> Any:
    """Return a value that XCom stores whatever its backend is: times as ISO 8601."""
    if isinstance(value, Mapping):
        return {str(name): _convert_value(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_convert_value(element) for element in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
