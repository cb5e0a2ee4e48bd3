"""One attempt of a report, in a process of its own that is killed some time after it has begun."""

from __future__ import annotations

import functools
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

from lark_provider.api.clouddoc.sheets.tables import procedure
from lark_provider.api.clouddoc.sheets.tables.options import TableOptions
from lark_provider.transfers import LarkReportOperator

# The waits of the real ones, in proportion.
procedure.TableOptions = functools.partial(  # type: ignore[assignment, attr-defined]
    TableOptions, look_after=0.4, lease_seconds=1.0, max_rows=60
)


def attempt(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the report operator in this process, which is killed after `kill_after` seconds if given."""
    if (delay := spec.get("kill_after")) is not None:
        killer = threading.Timer(delay, os.kill, [os.getpid(), signal.SIGKILL])
        killer.daemon = True
        killer.start()
    operator = LarkReportOperator(
        task_id="report",
        sql=spec["sql"],
        sql_conn_id=spec["conn_id"],
        title=spec["title"],
        folder=spec["folder"],
        key=spec["key"],
        receiver_id=spec["receiver_id"],
        lark_conn_id=spec.get("lark_conn_id", "lark_default"),
        text="**{{ report.rows_written }}** rows",
        settings={"settle_after": 1.5, "lease_wait": 60.0},
    )
    ti = {"dag_id": "d", "run_id": "r", "task_id": "report", "map_index": -1, "try_number": 1, "max_tries": 2}
    context: Any = {"ti": SimpleNamespace(**ti), "task": SimpleNamespace(retries=2)}
    try:
        return operator.execute(context)
    except Exception as failure:  # noqa: BLE001 - of whatever kind, Airflow would retry
        return {"error": f"{type(failure).__name__}: {failure}"}
