"""The check of what each API server of Airflow has recorded about its plugin."""

from __future__ import annotations

from lark_provider import __version__, config
from lark_provider.checks import Outcome
from lark_provider.storage import urls
from lark_provider.storage.api_servers import ApiServers


def check_api_servers(hold: float | None) -> Outcome:
    """Check that each API server lets one answer count, in this version and with the same hold.

    Args:
        hold: Seconds for which an answer is held, by `lark.yaml`; None if it names none.
    """
    if not config.has_database():
        return Outcome(
            "No database is configured. Next: set LARK_DATABASE_URL or POSTGRES_HOST, …, the "
            "same for the bridge and Airflow's API servers.",
            "unhealthy",
        )
    found = ApiServers(urls.database()).list()
    details = tuple(
        f"{one.host}: version {one.version}, Airflow {one.airflow_version}, "
        + ("guarded" if one.guarded else f"not guarded: {one.problem or 'no reason given'}")
        + ("" if one.hold_seconds is None else f", holds answers for {one.hold_seconds:g} s")
        for one in found
    )
    if not found:
        return Outcome(
            "No API server has recorded itself in the last minutes. Next: check that "
            "they run with this package, the same database and LARK_BRIDGE_SECRET.",
            "unhealthy",
        )
    if not all(one.guarded for one in found):
        return Outcome(
            "Each API server must let exactly one answer count, and some do not. Next: see their reasons; "
            "until then answers are read back before people are told.",
            "unhealthy",
            details,
        )
    if {one.version for one in found} != {__version__}:
        return Outcome(
            f"Each API server should have the version {__version__} of this package, as here, and some have "
            "another one. Next: finish the upgrade; answers count all the same.",
            "warning",
            details,
        )
    holds = {one.hold_seconds for one in found if one.hold_seconds is not None}
    if len(holds) > 1 or (holds and hold is not None and holds != {hold}):
        got = ", ".join(f"{one:g} s" for one in sorted(holds))
        wanted = "" if hold is None else f", and hold of lark.yaml is {hold:g} s"
        return Outcome(
            f"API servers must hold answers equally long, got {got}{wanted}. Next: set LARK_ANSWER_HOLD "
            "alike in all of them, or leave it out and name the same lark.yaml; until then cards wait for "
            "the longest.",
            "warning",
            details,
        )
    return Outcome(f"{len(found)} process(es), each guarded", details=details)
