"""Show in the logs of tasks and triggers the fields of lines, too, which Airflow leaves out."""

from __future__ import annotations

import sys

from lark_provider.utils import field_lines

_RUNNER = "airflow.sdk.execution_time.task_runner"


def show_fields() -> None:
    """Show them from now on, in a process that runs tasks or triggers; elsewhere nothing is changed."""
    if getattr(sys.modules.get(_RUNNER), "SUPERVISOR_COMMS", None) is not None:
        field_lines.show_fields()
