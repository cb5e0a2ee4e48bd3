"""The check of what each API server of Airflow has recorded about its plugin."""

from __future__ import annotations

from lark_provider import __version__, config
from lark_provider.checks import CheckOutcome
from lark_provider.storage import urls
from lark_provider.storage.api_servers import ApiServers


def check_api_servers(hold: float | None) -> CheckOutcome:
    """Check that each API server lets one answer count, in this version and with the same hold.

    Args:
        hold: Seconds for which an answer is held, by `lark.yaml`; None if it names none.
    """
    if not config.has_database():
        return CheckOutcome(
            "No database is configured. Next: set LARK_DATABASE_URL or POSTGRES_HOST, …, the "
            "same for the bridge and Airflow's API servers.",
            "unhealthy",
        )
    servers = ApiServers(urls.database()).list_servers()
    details = tuple(
        f"{server.host}: version {server.version}, Airflow {server.airflow_version}, "
        + ("guarded" if server.guarded else f"not guarded: {server.problem or 'no reason given'}")
        + ("" if server.hold_seconds is None else f", holds answers for {server.hold_seconds:g} s")
        for server in servers
    )
    if not servers:
        return CheckOutcome(
            "No API server has recorded itself in the last minutes. Next: check that "
            "they run with this package, the same database and LARK_BRIDGE_SECRET.",
            "unhealthy",
        )
    if not all(server.guarded for server in servers):
        return CheckOutcome(
            "Each API server must let exactly one answer count, and some do not. Next: see their reasons; "
            "until then answers are read back before people are told.",
            "unhealthy",
            details,
        )
    if {server.version for server in servers} != {__version__}:
        return CheckOutcome(
            f"Each API server should have the version {__version__} of this package, as here, and some have "
            "another one. Next: finish the upgrade; answers count all the same.",
            "warning",
            details,
        )
    holds = {server.hold_seconds for server in servers if server.hold_seconds is not None}
    if len(holds) > 1 or (holds and hold is not None and holds != {hold}):
        got = ", ".join(f"{seconds:g} s" for seconds in sorted(holds))
        wanted = "" if hold is None else f", and hold of lark.yaml is {hold:g} s"
        return CheckOutcome(
            f"API servers must hold answers equally long, got {got}{wanted}. Next: set LARK_ANSWER_HOLD "
            "alike in all of them, or leave it out and name the same lark.yaml; until then cards wait for "
            "the longest.",
            "warning",
            details,
        )
    return CheckOutcome(f"{len(servers)} process(es), each guarded", details=details)
