"""`lark-provider demo`: a real Airflow runs the example DAG against a local Lark, each in its own process.

What is printed at the end is counted from the local Lark's state, not from what the product says of itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import httpx
import orjson

import lark_provider
from lark_provider.api.clouddoc import fields
from lark_provider.client import LarkServiceClient
from lark_provider.errors import ConfigurationError, LarkError

DAG_ID = "etl_to_lark"
CHAT_ID = "oc_emulator_data_team"
COLUMNS = [
    fields.Field(field_name=name, type=kind)
    for name, kind in (
        ("Flight", fields.TEXT),
        ("Hour", fields.DATE),
        ("Carrier", fields.SINGLE_SELECT),
        ("From", fields.SINGLE_SELECT),
        ("To", fields.TEXT),
        ("Departure delay", fields.NUMBER),
        ("Arrival delay", fields.NUMBER),
        ("Miles", fields.NUMBER),
        ("Cancelled", fields.CHECKBOX),
    )
]
_FIRST_ROWS = 3
_LOG_LINES = 40


class LocalLark(NamedTuple):
    """A local Lark in a process of its own."""

    process: subprocess.Popen[str]
    log: Path
    base_url: str
    app_id: str
    app_secret: str

    def state(self) -> dict[str, Any]:
        """What it holds."""
        found: dict[str, Any] = orjson.loads(
            httpx.get(f"{self.base_url}/_emulator/state", timeout=30).content
        )
        return found

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()
        self.log.unlink()


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser("demo", help="run the example DAG with Airflow against a local Lark")
    command.add_argument("--keep", action="store_true", help="leave the local Lark up and say where")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run it all and print what arrived."""
    if importlib.util.find_spec("airflow") is None:
        raise ConfigurationError(
            "The demo needs Apache Airflow. Next: install 'airflow-provider-lark[airflow,emulator]'."
        )
    started = time.monotonic()
    with step(1, "start a local Lark"):
        lark = start_emulator()
    try:
        ok = show(lark)
    except BaseException:
        lark.stop()
        raise
    print(f"\n{'done' if ok else 'FAILED'} in {time.monotonic() - started:.1f} s")
    if arguments.keep:
        print(f"The local Lark stays up: {lark.base_url}/_emulator/state   stop it: kill {lark.process.pid}")
    else:
        lark.stop()
    return 0 if ok else 1


def show(lark: LocalLark) -> bool:
    """Run the DAG against a local Lark, print what arrived, and say whether it is what should have."""
    with tempfile.TemporaryDirectory(prefix="lark-demo-") as folder:
        airflow = Airflow(Path(folder), lark)
        with step(2, "make a base with an empty table"):
            app_token, table_id = make_table(lark)
        with step(3, "prepare an Airflow home: airflow db migrate"):
            airflow.run("db", "migrate")
        with step(4, f"run the DAG: airflow dags test {DAG_ID}"):
            conf = {"chat_id": CHAT_ID, "app_token": app_token, "table_id": table_id}
            airflow.run("dags", "test", DAG_ID, "--conf", orjson.dumps(conf).decode())
    with step(5, f"ask {lark.base_url} what arrived"):
        arrived = lark.state()
    return report(arrived, app_token, table_id)


@contextmanager
def step(number: int, title: str) -> Iterator[None]:
    """Print a numbered step with the time it took."""
    print(f"{number}. {title} … ", end="", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:.1f} s", flush=True)


def start_emulator() -> LocalLark:
    """Start a local Lark on a free port, in a session of its own, and wait until it says that it listens."""
    command = [sys.executable, "-m", "lark_provider.cli", "emulator", "--port", "0"]
    # Its errors go to a file, since it may outlive whoever reads our own.
    with NamedTemporaryFile("w", prefix="lark-emulator-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(  # noqa: S603 - ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    process.stdout.readline()
    words = dict(word.split("=", 1) for word in process.stdout.readline().split())
    if not words:
        print(Path(log.name).read_text(), file=sys.stderr)
        raise ConfigurationError(
            "The local Lark did not start. Next: install 'airflow-provider-lark[emulator]'."
        )
    return LocalLark(
        process, Path(log.name), words["LARK_BASE_URL"], words["LARK_APP_ID"], words["LARK_APP_SECRET"]
    )


def make_table(lark: LocalLark) -> tuple[str, str]:
    """Make what a user has before the DAG first runs."""
    bitable = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url).clouddoc.bitable
    app_token = bitable.create_app("Flights").data["app"]["app_token"]
    return app_token, bitable.create_table(app_token, "1 January 2013", COLUMNS).data["table_id"]


class Airflow:
    """An Airflow with a home of its own, reached by its command line."""

    def __init__(self, home: Path, lark: LocalLark) -> None:
        connection = {
            "conn_type": "lark",
            "login": lark.app_id,
            "password": lark.app_secret,
            "host": lark.base_url,
        }
        self._log = home / "airflow.log"
        self._env = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(example_dags()),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW_CONN_LARK_DEFAULT": orjson.dumps(connection).decode(),
        }

    def run(self, *arguments: str) -> None:
        """Run a command of Airflow's; its output is shown only if it fails.

        Raises:
            LarkError: It failed.
        """
        command = [sys.executable, "-m", "airflow", *arguments]
        with self._log.open("ab") as log:
            done = subprocess.run(command, env=self._env, stdout=log, stderr=log, check=False)  # noqa: S603 - ours
        if done.returncode != 0:
            print(
                "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:]), file=sys.stderr
            )
            raise LarkError(f"airflow {arguments[0]} {arguments[1]} ended with exit code {done.returncode}.")


def example_dags() -> Path:
    """The example DAGs: inside an installed package, beside it in a checkout."""
    package = Path(lark_provider.__file__).parent
    inside = package / "example_dags"
    return inside if inside.is_dir() else package.parent / "example_dags"


def report(state: dict[str, Any], app_token: str, table_id: str) -> bool:
    """Print what a local Lark holds, and say whether it is what the source held."""
    (chat,) = [one for one in state["chats"] if one["chat_id"] == CHAT_ID]
    (base,) = [one for one in state["bitables"] if one["app_token"] == app_token]
    (table,) = [one for one in base["tables"] if one["table_id"] == table_id]
    records = [record["fields"] for record in table["records"]]
    with (example_dags() / "data" / "flights_2013-01-01.csv").open() as file:
        source = sum(1 for _ in file) - 1
    # A flight number may leave from two airports on one day; all fields together tell records apart.
    duplicates = len(records) - len({orjson.dumps(record, option=orjson.OPT_SORT_KEYS) for record in records})

    print(f"\nChat {chat['name']!r}:")
    for message in chat["messages"]:
        print(f"  [{message['msg_type']}] {_shown(message['content'])}")
    print(f"\nTable {table['name']!r}, first rows:")
    for record in records[:_FIRST_ROWS]:
        print(f"  {record}")
    tokens = state["token_requests"]
    print(f"\n{source} source = {len(records)} table · {duplicates} duplicates")
    print(f"{len(chat['messages'])} messages · {state['requests']} requests, {tokens} of them for tokens")
    kinds = [message["msg_type"] for message in chat["messages"]]
    return len(records) == source and duplicates == 0 and kinds == ["text", "interactive"]


def _shown(content: dict[str, Any]) -> str:
    """A message's words; of a card, title and texts."""
    if "text" in content:
        return str(content["text"])
    title = content.get("header", {}).get("title", {}).get("content", "")
    texts = [element.get("content", "") for element in content.get("body", {}).get("elements", [])]
    return "\n    ".join([str(title), *(line for text in texts for line in str(text).splitlines())])
