"""A real API server of Airflow's with the page for linking people, and the sessions of its users."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
from lark_emulator import Emulator

from lark_provider.storage import urls
from lark_provider.storage.crypto import EncryptionKeys, generate_key
from lark_provider.storage.link_codes import LinkCodes
from lark_provider.storage.people import Account, People, Person
from tests.airflow.conftest import AirflowHome
from tests.failures.waiting import wait_until
from tests.services.processes import alive, free_port, tree
from tests.storage import prepared

HOST, TENANT = "127.0.0.1", "tenant-own"
USERS = {"bob": "user", "alice": "viewer", "eve": "admin"}
"""Names to roles; each one's password is the name."""


class LinkServer:
    """An API server on SQLite.

    Args:
        model: An Airflow whose database is up to date; None if `home` is one already.
        home: Where the copy of it goes.
        lark: The Lark that it looks people up in.
        prefix: The path of its base URL.
        settings: Added to its environment.
    """

    def __init__(
        self,
        model: AirflowHome | None,
        home: Path,
        lark: Emulator,
        *,
        prefix: str = "",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if model is not None:
            shutil.copytree(model.home, home, ignore=shutil.ignore_patterns("dags", "logs"))
        self.airflow, self.lark, self.prefix = AirflowHome(home), lark, prefix
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({name: name for name in USERS}))
        port, key = free_port(), generate_key()
        self.origin = f"http://{HOST}:{port}"
        self.url = f"{self.origin}{prefix}"
        ours = f"sqlite:///{home}/lark.db"
        self.airflow.env |= {
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in USERS.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "LARK_BRIDGE_SECRET": secrets.token_hex(32),
            "LARK_APP_ID": lark.app_id,
            "LARK_APP_SECRET": lark.app_secret,
            "LARK_BASE_URL": lark.base_url,
            "LARK_DATABASE_URL": ours,
            "LARK_CONFIG_ENCRYPTION_KEY": key,
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        self.database = urls.parse(ours, "ours")
        prepared.upgrade(self.database)
        self.people = People(self.database, EncryptionKeys(key))
        self._log = home / "api-server.log"
        self._port = port
        self._sessions: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, "-m", "airflow", "api-server", "--host", HOST, f"--port={self._port}"],
                env=self.airflow.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._serves, 180)

    def _serves(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-4000:]
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/api/v2/version", timeout=10).is_success
        return False

    def log(self) -> str:
        """Return what the server has printed."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Kill all processes of the server, and wait until they are gone."""
        if self._process is None:
            return
        pids = set(tree(self._process.pid))
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_until(lambda: not any(map(alive, pids)))

    def find_person(self, name: str) -> Person:
        """Return a person of the emulator, with the open_id by which its app knows them."""
        ids = self.lark.change_user(name)["open_ids"]
        return Person(self.lark.app_id, TENANT, ids[self.lark.app_id])

    def code(self, name: str) -> str:
        """Create a link code for a person of the emulator, and return it."""
        return LinkCodes(self.people).create(self.find_person(name))

    def find_linked(self, name: str) -> Account | None:
        """Return the Airflow account that a person of the emulator is linked to, or None."""
        person = self.find_person(name)
        linked = self.people.find(person.app_id, person.tenant_key, person.open_id)
        return None if linked is None else linked.account

    @contextmanager
    def visitor(self, user: str | None = None, **headers: str) -> Iterator[httpx.Client]:
        """Open an HTTP client for the server, with a user's session if a user is given."""
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            if user is not None:
                client.cookies.set("_token", self.session(user), domain=HOST)
            yield client

    def session(self, user: str) -> str:
        """Return the access token of a user's session, as the cookie holds it."""
        if user not in self._sessions:
            who = {"username": user, "password": user}
            response = httpx.post(f"{self.url}/auth/token", json=who, timeout=30)
            assert response.is_success, response.text
            self._sessions[user] = response.json()["access_token"]
        return self._sessions[user]
