"""How `make` makes its environment: by pip alone, as pip is configured, from hashes, with bytecode.

Run on a project of the test's own, with an index of the test's own behind a certificate that only pip's
configuration names: whatever else would be asked for something is not there.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SELF_SIGNED = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=index -addext subjectAltName=IP:127.0.0.1"
OTHERS = ("PIP_", "UV_", "REQUESTS_", "CURL_", "SSL_", "HTTP", "ALL_PROXY")
"""What else would say where to download from, and whom to trust."""
BACKEND = '''
    """A build backend that needs nothing, so that the test needs no index but its own."""
    from pathlib import Path
    import shutil

    def build_editable(folder, config_settings=None, metadata_directory=None):
        return Path(shutil.copy("mine-1.0-py3-none-any.whl", folder)).name
'''


def wheel(folder: Path, name: str) -> Path:
    """Make a wheel with one module."""
    wheel_path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": f"NAME = {name!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text)}" for path, text in files.items()]
    with zipfile.ZipFile(wheel_path, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))
    return wheel_path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Serve an index of one package over TLS; yield its URL, its certificate and the requests it gets."""
    folder = tmp_path / "index"
    folder.mkdir()
    file, requested = wheel(folder, "pinned"), list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            page = f'<a href="/{file.name}">{file.name}</a>'.encode()
            content = {"/simple/pinned/": page, f"/{file.name}": file.read_bytes()}.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "text/html" if content == page else "application/zip")
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    certificate, key = tmp_path / "index.crt", tmp_path / "index.key"
    command = ["openssl", *SELF_SIGNED.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}/simple", certificate, requested
        server.shutdown()
        thread.join()


@pytest.fixture
def bootstrap(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs bootstrap.sh on a project whose lock holds a hash."""
    (tmp_path / "lark_provider").mkdir()
    (tmp_path / "lark_provider" / "__init__.py").touch()
    (tmp_path / "backend.py").write_text(textwrap.dedent(BACKEND))
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    wheel(tmp_path, "mine")

    def run(digest: str, **settings: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "lock").write_text(f"pinned==1.0 \\\n    --hash=sha256:{digest}\n")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OTHERS)}
        env = kept | {"PYTHON": sys.executable, "VENV": ".venv", "LOCK": "lock"} | settings
        return subprocess.run(  # noqa: S603 - ours
            ["/bin/bash", str(ROOT / "scripts" / "bootstrap.sh")],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_everything_is_installed_as_pip_is_configured_by_hash_and_compiled(
    index: tuple[str, Path, list[str]],
    bootstrap: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    url, certificate, requested = index
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        f"[global]\nindex-url = {url}\ncert = {certificate}\ncache-dir = {tmp_path / 'cache'}\n"
        "require-hashes = true\n[install]\nuser = true\nno-compile = true\n"
    )
    digest = hashlib.sha256((tmp_path / "index" / "pinned-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    settings = {"PIP_CONFIG_FILE": str(configuration), "PYTHONDONTWRITEBYTECODE": "1"}
    wrong = bootstrap("0" * 64, **settings)
    assert wrong.returncode != 0
    assert "DO NOT MATCH THE HASHES" in wrong.stderr
    requested.clear()
    done = bootstrap(digest, **settings)
    assert done.returncode == 0, done.stderr
    assert requested == ["/simple/pinned/", "/pinned-1.0-py3-none-any.whl"]
    (packages,) = (tmp_path / ".venv" / "lib").glob("python*/site-packages")
    assert list(packages.glob("__pycache__/pinned.*.pyc"))
    assert list((tmp_path / "lark_provider").glob("__pycache__/__init__.*.pyc"))
    assert (packages / "mine.py").exists()


@pytest.mark.parametrize(
    ("first", "second", "code", "runs"),
    [(0, 0, 0, 1), (1, 0, 0, 2), (1, 1, 2, 2), (2, 0, 2, 1), (3, 0, 2, 1)],
)
def test_only_failed_tests_are_run_again(
    tmp_path: Path, first: int, second: int, code: int, runs: int
) -> None:
    """A run that ended early has not run all tests, so that its failed ones passing proves nothing."""
    stub = tmp_path / "pytest"
    stub.write_text(
        "#!/bin/sh\necho run >>$0.runs\n"
        f'case "$*" in *--last-failed*) exit {second};; *--cache-clear*) exit {first};; esac\n'
    )
    stub.chmod(0o755)
    done = subprocess.run(  # noqa: S603 - ours
        ["/usr/bin/env", "make", "test", f"BIN={tmp_path}", "READY="],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, len((tmp_path / "pytest.runs").read_text().split())) == (code, runs)


def test_uv_makes_the_lock_and_nothing_else() -> None:
    recipes = [(ROOT / name).read_text() for name in ("Makefile", "scripts/bootstrap.sh")]
    used = [line.strip() for text in recipes for line in text.splitlines() if "/uv" in line]
    assert [line.split()[1:4] for line in used] == [["pip", "compile", "pyproject.toml"]]
