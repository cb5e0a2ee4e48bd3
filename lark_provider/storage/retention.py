"""Retention by table: settings of the operator, with safe defaults and minimums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta

from lark_provider.protocol.errors import ConfigurationError
from lark_provider.support import periods
from lark_provider.support.environment import ENVIRONMENT

PREFIX = "LARK_RETENTION_"
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SHORTEST = {
    # Lark repeats an event for 7.1 hours; one that is forgotten earlier would be handled twice.
    "handled_events": 8 * _HOUR,
    # A task that was notified of an answer still has to read it.
    "card_callbacks": _HOUR,
    "form_inputs": _HOUR,
    "card_answers": _HOUR,
    "waits": _HOUR,
    # A retry of a load, or of a message, has to find what the first attempt did.
    "ledger": _DAY,
    # A person may still look at the outcome of a click, and a run may still recover.
    "questions": _HOUR,
    "incidents": _HOUR,
    # A command that is forgotten earlier would be done again by a repeat.
    "commands": 8 * _HOUR,
    # A watcher that was stopped for less has to go on where it was.
    "record_cursors": _DAY,
    # A repeated callback has to find that its message was recorded.
    "outbox": _HOUR,
}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept. Whatever is set, what an open wait needs is kept longer.

    So is a click that is still to be delivered to Airflow, with what was entered, for 15 days at most, and
    one that has decided a question within the last hour, which its task may not have read yet.

    Attributes:
        tokens: After a token expired.
        user_cache: After the entry of a person expired.
        leases: After a lease ended.
        card_callbacks: After a click was stored. A card takes clicks for 14 days, and its task may be looked
            at for longer.
        form_inputs: After a click was stored, what was entered with it; the click itself stays. None for as
            long as the click.
        card_answers: After a wait of version 0.1 was decided.
        handled_events: After a consumer handled an event.
        waits: After a question was decided or closed; or after its deadline, where it never was.
        ledger: After a load or a message was last written or tried. With the row goes what keeps a later
            retry from writing it again, and `restart` from finding the load's records. As long is it known
            that one was forgotten, so that another one of its key has other tokens.
        questions: Questions of Airflow with their cards and clicks, after they were over. What keeps a click
            from being applied again stays for 15 days at least.
        people: Links of people to Airflow's users, after they were revoked.
        incidents: After the failures of a run, or a step of their escalation, last changed; and after a
            digest was recorded.
        commands: Chat commands, after they were answered for the last time.
        record_cursors: After a watched table was last scanned. A watcher that comes back later begins again.
        outbox: After a message was delivered or given up. One that is neither stays for 30 days at least.

    Raises:
        ConfigurationError: A period is negative, or shorter than is safe.
    """

    tokens: timedelta = 7 * _DAY
    user_cache: timedelta = timedelta()
    leases: timedelta = _DAY
    card_callbacks: timedelta = 90 * _DAY
    form_inputs: timedelta | None = None
    card_answers: timedelta = 90 * _DAY
    handled_events: timedelta = 7 * _DAY
    waits: timedelta = 90 * _DAY
    ledger: timedelta = 90 * _DAY
    questions: timedelta = 90 * _DAY
    people: timedelta = 90 * _DAY
    incidents: timedelta = 90 * _DAY
    commands: timedelta = 90 * _DAY
    outbox: timedelta = 7 * _DAY
    record_cursors: timedelta = 90 * _DAY

    def __post_init__(self) -> None:
        """Reject periods that would break running waits, and bound those that a datetime cannot hold."""
        for name in list_names():
            period = getattr(self, name)
            if period is None:
                continue
            shortest = _SHORTEST.get(name, timedelta())
            if period < shortest:
                least = periods.format_period(shortest)
                raise ConfigurationError(
                    f"The retention of {name} must be at least {least}, got {period}. Next: set "
                    f"{PREFIX}{name.upper()}, or what was passed instead, to {least} or more."
                )
            object.__setattr__(self, name, min(period, periods.LONGEST))

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str] = ENVIRONMENT, **overrides: timedelta | None
    ) -> Retention:
        """Read `LARK_RETENTION_TOKENS` and so on: `90m`, `12h`, `7d`; an empty one counts as not set.

        Args:
            environ: The environment.
            overrides: Periods that win over it, by the attributes' names; None for those that do not.

        Raises:
            ConfigurationError: A variable is not a period, or a period is shorter than is safe.
        """
        settings = {name: period for name, period in overrides.items() if period is not None}
        for name in list_names():
            variable = f"{PREFIX}{name.upper()}"
            text = environ.get(variable, "").strip()
            if not text or name in settings:
                continue
            try:
                settings[name] = periods.parse(text)
            except ValueError:
                raise ConfigurationError(
                    f"{variable} must be a period, got {text!r}. Next: set it to one such as 90m, 12h or 7d."
                ) from None
        return cls(**settings)


def list_names() -> list[str]:
    """Return the names of all periods."""
    return [field.name for field in fields(Retention)]
