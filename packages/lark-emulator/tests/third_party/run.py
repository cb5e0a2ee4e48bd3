"""Run published clients, unchanged, against the emulator: `python tests/third_party/run.py [NAME …]`.

Each client is installed alone, outside the tree, as `requirements.txt` and `package.json` pin it. Those with
a fixed address of Lark reach the emulator by its forward proxy, whose authority they trust by variables.
"""

from __future__ import annotations

import json
import os
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
_SECONDS = 300


def clients() -> Iterator[tuple[str, str, Path]]:
    """Yield name, version and flow of each client."""
    for line in (_HERE / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            yield name, version, _HERE / "flows" / f"{name}.py"
    for name, version in json.loads((_HERE / "package.json").read_text())["dependencies"].items():
        yield name, version, _HERE / "flows" / f"{name.replace('/', '+')}.cjs"


def install(name: str, version: str, flow: Path, home: Path) -> list[str]:
    """Install a client into a folder, and return the command that runs its flow there.

    The flow is copied, since some clients write logs beside the program that uses them.
    """
    copied = home / flow.name
    copied.write_bytes(flow.read_bytes())
    if flow.suffix == ".py":
        venv.create(home, with_pip=True)
        python = str(home / "bin" / "python")
        # Two of them need pkg_resources, which newer versions of setuptools have dropped.
        _run([python, "-m", "pip", "install", "-q", f"{name}=={version}", "setuptools<81"])
        return [python, "-P", str(copied)]  # a flow has the name of its client
    _run(
        ["npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--silent", f"{name}@{version}"]
    )
    return ["node", str(copied)]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL)  # noqa: S603


def _base(lark: Emulator) -> tuple[str, str]:
    """Make a base with a table of one field as the app, and return their ids."""

    def post(path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(  # noqa: S310 - the emulator's own address
            f"{lark.base_url}/open-apis{path}", json.dumps(body).encode(), headers
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
            found: dict[str, Any] = json.load(answer)
        return found

    app = {"app_id": lark.app_id, "app_secret": lark.app_secret}
    token = post("/auth/v3/tenant_access_token/internal", app)["tenant_access_token"]
    base = post("/bitable/v1/apps", {"name": "Flow"}, token)["data"]["app"]["app_token"]
    table = {"table": {"name": "T", "fields": [{"field_name": "Name", "type": 1}]}}
    made = post(f"/bitable/v1/apps/{base}/tables", table, token)["data"]["table_id"]
    return str(base), str(made)


def flow(command: list[str], home: Path) -> str:
    """Run a flow against a fresh emulator, and return what is wrong; "" if nothing is."""
    with Emulator(proxy=True, authority=home / "authority") as lark:
        base, table = _base(lark)
        chat = next(one for one in lark.state()["chats"] if lark.app_id in one["bots"])
        authority = lark.authority_file
        variables = {
            "APP_ID": lark.app_id,
            "APP_SECRET": lark.app_secret,
            "BASE": base,
            "CHAT_ID": chat["chat_id"],
            "HTTPS_PROXY": lark.base_url,
            "LARK": lark.base_url,
            "NODE_EXTRA_CA_CERTS": str(authority),
            "NO_PROXY": "127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(authority),
            "SSL_CERT_FILE": str(authority),
            "TABLE": table,
            "WEBHOOK": lark.add_webhook("Flow"),
            "HOME": str(home),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(  # noqa: S603
            command, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        state = lark.state()
        refused = [f"{one['method']} {one['path']}: {one['code']}" for one in lark.requests() if one["code"]]
        is_heard = "flow" in json.dumps(
            [state["chats"], state["webhooks"], state["bitables"], lark.requests()]
        )
        if done.returncode or refused or state["crashes"] or not is_heard:
            return "; ".join(refused) or (done.stderr.strip().splitlines() or ["nothing arrived"])[-1]
    return ""


def main(names: list[str]) -> int:
    """Run the flows of these clients, or of all."""
    failed = 0
    for name, version, file in clients():
        if not names or name in names:
            with tempfile.TemporaryDirectory() as home:
                wrong = flow(install(name, version, file, Path(home)), Path(home))
            failed += bool(wrong)
            print(f"{'FAIL' if wrong else 'ok  '} {name} {version}  {wrong}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
