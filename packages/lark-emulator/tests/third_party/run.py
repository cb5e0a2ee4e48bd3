"""Run published clients, unchanged, against the emulator: `python tests/third_party/run.py [NAME …]`.

Each client is installed alone, outside the tree, with all that it needs, as `locks` pins it by hashes. Those
with a fixed address of Lark reach the emulator by its forward proxy, whose authority they trust by variables.
`--lock` writes `locks` again, after a change of `requirements.txt` or `package.json`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
_LOCKS = _HERE / "locks"
_SECONDS = 300


def clients() -> Iterator[tuple[str, str, Path]]:
    """Yield name, version and flow of each client."""
    for line in (_HERE / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            yield name, version, _HERE / "flows" / f"{name}.py"
    for name, version in json.loads((_HERE / "package.json").read_text())["dependencies"].items():
        yield name, version, _HERE / "flows" / f"{name.replace('/', '+')}.cjs"


def install(flow: Path, home: Path) -> list[str]:
    """Install a client into a folder, and return the command that runs its flow there.

    The flow is copied, since some clients write logs beside the program that uses them.
    """
    copied = home / flow.name
    copied.write_bytes(flow.read_bytes())
    if flow.suffix == ".py":
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        lock = _LOCKS / f"{flow.stem}.txt"
        _run([python, "-m", "pip", "install", "-q", "--no-compile", "--require-hashes", "-r", str(lock)])
        return [python, "-P", str(copied)]  # a flow has the name of its client
    for file in (_HERE / "package.json", _LOCKS / "package-lock.json"):
        shutil.copy(file, home)
    _run(["npm", "ci", "--prefix", str(home), "--no-audit", "--no-fund", "--silent"])
    return ["node", str(copied)]


def lock() -> None:
    """Pin each client with all that it needs, by hashes and without the address of an index."""
    _LOCKS.mkdir(exist_ok=True)
    uv = str(Path(sys.executable).with_name("uv"))
    how = "--universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header"
    for name, version, file in clients():
        if file.suffix == ".py":
            # Two of them need pkg_resources, which newer versions of setuptools have dropped.
            wanted = f"{name}=={version}\nsetuptools<81\n"
            target = ["--output-file", str(_LOCKS / f"{name}.txt"), "-"]
            _run([uv, "pip", "compile", "--quiet", *how.split(), *target], wanted)
    with tempfile.TemporaryDirectory() as home:
        shutil.copy(_HERE / "package.json", home)
        without_address = ["--package-lock-only", "--omit-lockfile-registry-resolved"]
        _run(["npm", "install", "--prefix", home, "--no-audit", "--no-fund", "--silent", *without_address])
        shutil.copy(Path(home) / "package-lock.json", _LOCKS)


def _run(command: list[str], stdin: str = "") -> None:
    subprocess.run(  # noqa: S603 - pip, uv and npm
        command, check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL, input=stdin, text=True
    )


def _make_things(lark: Emulator) -> dict[str, str]:
    """Make a base with a table of one field, and a document, as the app; return their ids as variables."""

    def post(path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(  # noqa: S310 - the emulator's own address
            f"{lark.base_url}/open-apis{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
            data: dict[str, Any] = json.load(answer)
        return data

    app = {"app_id": lark.app_id, "app_secret": lark.app_secret}
    token = post("/auth/v3/tenant_access_token/internal", app)["tenant_access_token"]
    base = post("/bitable/v1/apps", {"name": "Flow"}, token)["data"]["app"]["app_token"]
    table = {"table": {"name": "T", "fields": [{"field_name": "Name", "type": 1}]}}
    table_id = post(f"/bitable/v1/apps/{base}/tables", table, token)["data"]["table_id"]
    document = post("/docx/v1/documents", {"title": "Plan"}, token)["data"]["document"]["document_id"]
    text = {"elements": [{"text_run": {"content": "flow of a document"}}]}
    children = {"children": [{"block_type": 2, "text": text}]}
    post(f"/docx/v1/documents/{document}/blocks/{document}/children", children, token)
    return {"BASE": base, "TABLE": table_id, "DOCUMENT": document}


def flow(command: list[str], home: Path) -> str:
    """Run a flow against a fresh emulator, and return what is wrong; "" if nothing is."""
    with Emulator(proxy=True, authority=home / "authority") as lark:
        ids = _make_things(lark)
        before = lark.requests()[-1]["id"]
        chat = next(candidate for candidate in lark.state()["chats"] if lark.app_id in candidate["bots"])
        authority = lark.authority_file
        variables = {
            **ids,
            "APP_ID": lark.app_id,
            "APP_SECRET": lark.app_secret,
            "CHAT_ID": chat["chat_id"],
            "HTTPS_PROXY": lark.base_url,
            "LARK": lark.base_url,
            "NODE_EXTRA_CA_CERTS": str(authority),
            "NO_PROXY": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(authority),
            "SSL_CERT_FILE": str(authority),
            "SIGNED_WEBHOOK": lark.add_webhook("Signed", secret="flow-secret"),
            "SIGNED_WEBHOOK_SECRET": "flow-secret",
            "WEBHOOK": lark.add_webhook("Flow"),
            "HOME": str(home),
            "PATH": os.environ["PATH"],
        }
        try:
            done = subprocess.run(  # noqa: S603
                command, env=variables, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"it has not ended after {_SECONDS} s"
        state = lark.state()
        log = lark.requests(after=before)
        refused = [
            f"{request['method']} {request['path']}: {request['code']}" for request in log if request["code"]
        ]
        is_heard = "flow" in json.dumps([state["chats"], state["webhooks"], state["bitables"], log])
        if done.returncode or refused or state["crashes"] or not is_heard:
            return "; ".join(refused) or (done.stderr.strip().splitlines() or ["nothing arrived"])[-1]
    return ""


def main(names: list[str]) -> int:
    """Run the flows of these clients, or of all."""
    if names == ["--lock"]:
        lock()
        return 0
    failed = 0
    for name, version, file in clients():
        if not names or name in names:
            with tempfile.TemporaryDirectory() as home:
                wrong = flow(install(file, Path(home)), Path(home))
            failed += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok  '} {name} {version}  {wrong}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
