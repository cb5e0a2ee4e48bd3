"""The deployment page: its blocks are run in their order, or checked where they need an engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from lark_emulator import Emulator
from sqlalchemy.engine import make_url

from lark_provider.storage import urls
from lark_provider.storage.crypto import generate_key
from tests.deploy.running import as_text, run
from tests.deploy.test_kubernetes import OBJECTS
from tests.package.test_bridge_documents import blocks
from tests.services.postgres import Databases

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "en" / "how-to"
ENGINES = ("docker", "kubectl")
ELSEWHERE = ("pip install", "secrets.sh", "curl ")
"""What test_wheel.py and test_compose.py run."""


def list_commands(block: str) -> list[str]:
    """Return the commands of a block."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line]


def check(line: str) -> None:
    """Check a command of Docker's or Kubernetes's: it names files, services and profiles that are there."""
    words = shlex.split(line, comments=True)
    before = words[: words.index("logs")] if "logs" in words else words  # whose -f is another one
    for option, after in pairwise(before):
        assert option not in {"-f", "-k"} or (ROOT / after).exists(), after
    if words[:2] == ["docker", "compose"]:
        file = words[3] if words[2] == "-f" else "docker-compose.yml"
        known = yaml.safe_load((ROOT / file).read_text())["services"]
        verb = 4 if words[2] == "-f" else 2
        named = [word for word in words[verb + 1 :] if not word.startswith("-")]
        assert set(named) <= known.keys(), line


def test_the_deployment_page_is_true(
    lark: Emulator, databases: Databases, rabbitmq: str, tmp_path: Path
) -> None:
    first, second = (as_text(urls.parse(databases.make(), "test")) for _ in range(2))
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "LARK_DATABASE_URL": first,
        "RESTORED_DATABASE_URL": second,
        "RABBITMQ_URL": rabbitmq,
        "LARK_BASE_URL": lark.base_url,
        "LARK_APP_ID": lark.app_id,
        "LARK_APP_SECRET": lark.app_secret,
        "LARK_CONFIG_ENCRYPTION_KEY": generate_key(),
        "APP_SECRET": "a-secret",
    }
    ran = []
    for language, block in blocks((PAGES / "deploy.md").read_text("utf-8")):
        commands = [block] if language == "python" else list_commands(block)
        for command in commands:
            if command.startswith(ENGINES):
                check(command)
                continue
            if any(name in command for name in ELSEWHERE):
                continue
            words = [sys.executable, "-c", command] if language == "python" else ["bash", "-euc", command]
            done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)  # noqa: S603
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            ran.append((command, done.stdout))
    printed = "\n".join(out for _, out in ran)
    assert len(ran) > 15
    assert "生产应用" in printed
    assert "(head)" in printed
    assert [message["content"]["text"] for message in lark.state()["chats"][-1]["messages"]] == [
        "您有新的订单通知!"
    ]
    assert (tmp_path / "log" / "lark.log").is_file()


def test_the_page_about_kubernetes_names_what_is_there() -> None:
    page = (PAGES / "deploy-kubernetes.md").read_text("utf-8")
    objects = {f"{manifest['kind'].lower()}/{manifest['metadata']['name']}" for manifest in OBJECTS}
    for line in (line for _, block in blocks(page, "sh") for line in list_commands(block)):
        check(line)
        assert set(re.findall(r"\b(?:job|deployment)/[\w-]+", line)) <= objects
        assert {f"secret/{secret}" for secret in re.findall(r"secret generic (\S+)", line)} <= objects
    [(_, ingress)] = blocks(page, "yml")
    kubernetes_validate.validate(yaml.safe_load(ingress), "1.37", strict=True)
    service = yaml.safe_load(ingress)["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert f"service/{service['name']}" in objects
    for name, deployment in [
        (manifest["metadata"]["name"], manifest) for manifest in OBJECTS if manifest["kind"] == "Deployment"
    ]:
        seconds = str(deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
        assert re.search(rf"\b{seconds}\b", page), name


def test_the_first_of_two_hosts_may_be_unavailable(database_url: str, tmp_path: Path) -> None:
    page = (PAGES / "high-availability.md").read_text("utf-8")
    [shown] = re.findall(r"LARK_DATABASE_URL='([^']+)'", page)
    here = make_url(database_url)
    account = f"{here.username}:{here.password}" if here.password else f"{here.username}"
    url = shown.replace("lark_app:PASSWORD", account).replace("/lark_service?", f"/{here.database}?")
    url = url.replace("db1.example.com,db2.example.com", f"127.0.0.2,{here.host}&port=1,{here.port or 5432}")
    run(("db", "upgrade"), {"LARK_DATABASE_URL": url}, tmp_path)
    assert "(head)" in run(("db", "current"), {"LARK_DATABASE_URL": url}, tmp_path)
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)$", page, re.MULTILINE):
        assert f"\n{target}: " in makefile


def test_what_is_not_there_is_noticed() -> None:
    check("docker compose -f deploy/compose/compose.yml logs -f gateway")
    check("docker build -f deploy/image/Dockerfile -t x .")
    for wrong in (
        "docker compose -f deploy/compose/compose.yml logs -f gate",
        "docker build -f deploy/images/Dockerfile .",
        "kubectl apply -k deploy/kubernete",
    ):
        with pytest.raises(AssertionError):
            check(wrong)
