"""Which packages there are, and what each may import beyond orjson and the ordinary standard library.

`make check` runs it, after import-linter. Contracts say which imports are forbidden; this list says that
all others are, too. A new folder, a new library and a new way to reach the network need a line in the table.
What `protocol` and `api` may use of the standard library is in `test_purity.py`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "lark_provider", ROOT / "packages" / "lark-emulator" / "src" / "lark_emulator")
_TABLE = """
lark_provider: airflow
lark_provider/airflow_check:
lark_provider/api:
lark_provider/api/approval:
lark_provider/api/cards:
lark_provider/api/cards/airflow:
lark_provider/api/clouddoc:
lark_provider/api/clouddoc/drive:
lark_provider/api/clouddoc/loads:
lark_provider/api/clouddoc/sheets:
lark_provider/api/clouddoc/sheets/tables:
lark_provider/api/clouddoc/sync:
lark_provider/api/messaging:
lark_provider/api/routes: yaml
lark_provider/assets: airflow
lark_provider/bridge:
lark_provider/callbacks:
lark_provider/callbacks/broker: pika socket ssl
lark_provider/callbacks/http: django fastapi flask starlette uvicorn werkzeug
lark_provider/callbacks/probes: socket
lark_provider/callbacks/websocket: ssl websockets
lark_provider/cli: lark_emulator sqlalchemy
lark_provider/cli/demo: socket subprocess
lark_provider/client: lark_oapi
lark_provider/core:
lark_provider/core/storage:
lark_provider/engine: http.cookiejar httpx httpx2 sqlalchemy ssl
lark_provider/engine/drivers:
lark_provider/files: openpyxl pyarrow
lark_provider/hooks: airflow asgiref jinja2 pandas polars
lark_provider/metrics: http.server prometheus_client socket
lark_provider/notifications: airflow jinja2
lark_provider/operators: airflow
lark_provider/outbox:
lark_provider/plugins: airflow fastapi httpx jsonschema jwt referencing signal socket sqlalchemy starlette subprocess
lark_provider/protocol:
lark_provider/protocol/callbacks: cryptography
lark_provider/protocol/codes:
lark_provider/protocol/commands:
lark_provider/protocol/hitl:
lark_provider/protocol/incidents:
lark_provider/protocol/longconn:
lark_provider/sensors: airflow
lark_provider/storage: alembic cryptography psycopg2 select socket sqlalchemy sqlite3 subprocess
lark_provider/support: signal
lark_provider/transfers: airflow
lark_provider/triggers: airflow asgiref
lark_provider/utils:
lark_provider/verify:
lark_emulator: cryptography ctypes httptools pickle pytest signal socket
lark_emulator/approval:
lark_emulator/bitable:
lark_emulator/calendar:
lark_emulator/callbacks: cryptography httptools socket
lark_emulator/cardkit:
lark_emulator/contact:
lark_emulator/control:
lark_emulator/control/views:
lark_emulator/conversions:
lark_emulator/docx:
lark_emulator/drive:
lark_emulator/fallback:
lark_emulator/im:
lark_emulator/oauth:
lark_emulator/page:
lark_emulator/reach: cryptography ssl
lark_emulator/recording: http.client signal ssl
lark_emulator/sheets:
lark_emulator/stubs:
lark_emulator/tasks:
lark_emulator/websocket: websockets
lark_emulator/wiki:
lark_emulator/world:
"""  # noqa: E501 - a line for each folder
FOLDERS = {
    folder: frozenset(names.split())
    for folder, _, names in (row.partition(":") for row in _TABLE.strip().splitlines())
}
"""Each folder with Python modules, and what these may import: libraries, and guarded standard modules."""

GUARDED = frozenset(
    {
        "ctypes",
        "dbm",
        "ftplib",
        "http.client",
        "http.cookiejar",
        "http.server",
        "imaplib",
        "marshal",
        "multiprocessing",
        "pickle",
        "poplib",
        "pty",
        "select",
        "selectors",
        "shelve",
        "signal",
        "smtplib",
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "urllib.error",
        "urllib.request",
        "webbrowser",
        "wsgiref",
        "xmlrpc",
    }
)
"""Standard modules that reach other processes, other hosts or memory that is not Python's."""

EVERYWHERE = frozenset({"orjson"})


def find_unlisted(package: Path) -> Iterator[str]:
    """Yield what a package has or imports and `FOLDERS` does not list, and what is listed and gone."""
    used: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        file = path.relative_to(package.parent)
        folder = file.parent.as_posix()
        if folder not in FOLDERS and folder not in used:
            yield f"{folder}: folder is not listed"
        names = used.setdefault(folder, set())
        for line, name in _list_guarded(ast.parse(path.read_text("utf-8")), package.name):
            names.add(name)
            if folder in FOLDERS and name not in FOLDERS[folder]:
                yield f"{file}:{line}: import of {name} is not listed"
    for folder, listed in FOLDERS.items():
        if folder.split("/")[0] != package.name:
            continue
        if folder not in used:
            yield f"{folder}: listed folder does not exist"
        elif unused := listed - used[folder]:
            yield f"{folder}: listed imports do not exist: {' '.join(sorted(unused))}"


def _list_guarded(tree: ast.Module, own: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]  # `from urllib import request`
        else:
            continue
        for name in names:
            library = name.partition(".")[0]
            if library not in {own, *sys.stdlib_module_names, *EVERYWHERE}:
                yield node.lineno, library
            for guarded in GUARDED:
                if name == guarded or name.startswith(f"{guarded}."):
                    yield node.lineno, guarded


if __name__ == "__main__":
    unlisted = [line for package in PACKAGES for line in find_unlisted(package)]
    if unlisted:
        sys.exit(
            "\n".join([*unlisted, "Next: remove the import, or list it in tests/package/import_lists.py."])
        )
