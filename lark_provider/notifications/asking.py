"""What only Airflow can say of an event. None of it raises: what is not known is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lark_provider.notifications import facts


def read(context: Mapping[str, Any], event: facts.Event | None) -> facts.Facts:
    """The facts of a context, with links and without secrets.

    Args:
        context: Airflow's.
        event: What happened, if the context is not to be asked.
    """
    from airflow.sdk import conf  # noqa: PLC0415 - Airflow's, when it is needed

    base_url = conf.get("api", "base_url", fallback="") or ""
    return facts.read(context, event=event, base_url=base_url, clean=clean)


def clean(text: str) -> str:
    """Take secrets out of a text: those that look so, and those that Airflow knows of.

    Airflow knows passwords of connections, and what tasks have masked; its logs are cleaned alike.
    """
    from lark_provider.protocol.redact import redact  # noqa: PLC0415 - DAG files are parsed without it

    try:
        from airflow.sdk.log import redact as masked  # type: ignore[attr-defined]  # noqa: PLC0415 - it is there

        text = str(masked(text))
    except Exception:  # noqa: BLE001, S110 - an Airflow that has moved it, and what looks secret is still masked
        pass
    return redact(text)


def one_line(error: BaseException, seconds: float) -> str:
    """An error for the log, in one line and without secrets.

    Args:
        error: What went wrong.
        seconds: How long it was waited for.
    """
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.1f} s, so it may or may not have arrived"
    text = " ".join(clean(facts.text_of(error)[:2_000]).split())[:600]
    return ": ".join(filter(None, (type(error).__name__, text)))


def states(context: Mapping[str, Any]) -> dict[str, str]:
    """Airflow's own table of the run: task instance to state; empty where it cannot be asked."""
    ti: Any = context.get("ti")
    try:
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
        return {name: str(getattr(state, "value", state)) for name, state in found.items()}
    except Exception:  # noqa: BLE001 - what is remembered has to do
        return {}


def where(context: Any) -> str:
    """The task or DAG of a context, for the log."""
    try:
        ti, run = context.get("ti"), context.get("dag_run")
        if ti is not None and context.get("reason") is None:
            return f"{ti.dag_id}.{ti.task_id}"
        if ti is not None:
            return f"DAG {ti.dag_id}"
        named = run.get("dag_id") if isinstance(run, Mapping) else getattr(run, "dag_id", None)
        return str(named or getattr(context.get("dag"), "dag_id", "a DAG"))
    except Exception:  # noqa: BLE001 - it is only for the log
        return "a DAG"
