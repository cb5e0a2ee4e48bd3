"""`lark-provider demo`: a real Airflow runs the example DAGs against a local Lark, each in its own process.

The figures at the end are counted from the local Lark's state, not from what the product reports.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from lark_provider.cli.demo import load, native
from lark_provider.cli.demo.airflow_services import run_services
from lark_provider.cli.demo.processes import (
    CHAT_ID,
    Airflow,
    LocalLark,
    run_local_bridge,
    run_local_gateway,
    run_local_listener,
    start_emulator,
)
from lark_provider.errors import ConfigurationError
from lark_provider.support.termination import exit_on_sigterm

Step: TypeAlias = Callable[[int, str], AbstractContextManager[None]]
"""Begins a numbered step with a title."""


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser("demo", help="run the example DAGs with Airflow against a local Lark")
    command.add_argument("--keep", action="store_true", help="leave the local Lark up and say where")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and print what arrived."""
    if importlib.util.find_spec("airflow") is None:
        raise ConfigurationError(
            "The demo needs Apache Airflow. Next: install "
            "'airflow-provider-lark[airflow,emulator,gateway,listen]'."
        )
    with exit_on_sigterm() as exit_if_signalled:
        return _run_demo(partial(print_step, exit_if_signalled), keep=arguments.keep)


def _run_demo(step: Step, *, keep: bool) -> int:
    started = time.monotonic()
    with step(1, "start a local Lark"):
        lark = start_emulator()
    try:
        print(
            f"   Open {lark.base_url}/ in a browser to watch the chat, its cards and the table.", flush=True
        )
        ok = show(lark, step)
    except BaseException:
        lark.stop()
        raise
    print(f"\n{'done' if ok else 'FAILED'} in {time.monotonic() - started:.1f} s")
    if keep:
        print(f"The local Lark stays up: open {lark.base_url}/   stop it: kill {lark.process.pid}")
    else:
        lark.stop()
    return 0 if ok else 1


def show(lark: LocalLark, step: Step) -> bool:
    """Run the DAGs against a local Lark, print what arrived, and return whether it is as expected."""
    with tempfile.TemporaryDirectory(prefix="lark-demo-") as folder:
        airflow = Airflow(Path(folder), lark)
        with step(2, "make a base with an empty table"):
            app_token, table_id = load.make_table(lark)
        with step(3, "prepare an Airflow home: airflow db migrate"):
            airflow.run("db", "migrate")
        with step(4, f"run a DAG that loads and notifies: airflow dags test {load.DAG_ID}"):
            conf = {"chat_id": CHAT_ID, "app_token": app_token, "table_id": table_id}
            airflow.run("dags", "test", load.DAG_ID, "--conf", orjson.dumps(conf).decode())
        with ExitStack() as stack:
            with step(5, "start Airflow (api-server, scheduler, dag-processor), gateway, listener, bridge"):
                settings = airflow.write_bridge_settings(lark, native.APPROVER)
                serving = stack.enter_context(run_services(airflow.env, airflow.home, settings))
                stack.enter_context(run_local_gateway(lark, airflow.database_url))
                stack.enter_context(run_local_listener(lark, airflow.database_url))
                stack.enter_context(run_local_bridge(serving, settings))
            with (
                step(6, f"run {native.DAG_ID}: Airflow's own ApprovalOperator asks; click on the card"),
                native.DemoClicker(lark) as clicker,
            ):
                answered = native.run(serving)
    with step(7, f"ask {lark.base_url} what arrived"):
        arrived = lark.read_snapshot()
    loaded = load.report(arrived, app_token, table_id)
    return native.report(arrived, clicker, answered) and loaded


@contextmanager
def print_step(exit_if_signalled: Callable[[], None], number: int, title: str) -> Iterator[None]:
    """Print a numbered step with the time it took; exit before it if the command was terminated."""
    exit_if_signalled()
    print(f"{number}. {title} … ", end="", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:.1f} s", flush=True)
