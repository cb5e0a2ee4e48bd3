"""The database of deploy/kubernetes: its users as the page makes them, over TLS with the page's authority."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.deploy.running import run
from tests.deploy.test_document import PAGES
from tests.deploy.test_kubernetes import objects, pod
from tests.package.test_bridge_documents import blocks
from tests.services.binaries import POSTGRES_FOLDERS, program
from tests.services.plugin import StartServer
from tests.services.postgres import OwnPostgres

SELF_SIGNED = (
    "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Create a self-signed certificate for localhost, and return the paths of it and its key."""
    crt, key = tmp_path / "server.crt", tmp_path / "server.key"
    words = ["openssl", *SELF_SIGNED.split(), "-keyout", str(key), "-out", str(crt)]
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - a fixed command
    return crt, key


def test_the_migration_and_the_services_use_the_users_and_the_authority_of_the_page(
    start_postgres: StartServer[OwnPostgres], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    files = {path.name: path.read_text() for path in certificate}
    server = start_postgres({"ssl": "on"}, files).server
    [(_, statements)] = blocks((PAGES / "deploy-kubernetes.md").read_text("utf-8"), "sql")
    psql = program("psql", package="postgresql", folders=POSTGRES_FOLDERS)
    words = [str(psql), "-v", "ON_ERROR_STOP=1", server.build_url()]
    subprocess.run(words, input=statements, text=True, check=True, capture_output=True)  # noqa: S603 - ours

    def read_settings(secret: str, password: str, authority: Path) -> dict[str, str]:
        url = objects("Secret")[secret]["stringData"]["LARK_DATABASE_URL"]
        url = url.replace("PASSWORD", password).replace("db.example.com", f"localhost:{server.port}")
        return {"LARK_DATABASE_URL": url, "PGSSLROOTCERT": str(authority)}

    [migration] = pod(objects("Job")["lark-migrate"])["containers"]
    owner = read_settings("lark-owner", "OWNER_PASSWORD", certificate[0])
    assert "went from nothing to" in run(migration["args"], owner, tmp_path)
    app = read_settings("lark-secrets", "APP_PASSWORD", certificate[0])
    [purge] = pod(objects("CronJob")["lark-purge"])["containers"]
    assert "Deleted: 0 from tokens" in run(purge["args"], app, tmp_path)
    lacking = read_settings("lark-secrets", "APP_PASSWORD", tmp_path / "absent.crt")
    with pytest.raises(AssertionError, match=r"absent\.crt"):
        run(purge["args"], lacking, tmp_path)
