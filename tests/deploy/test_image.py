"""The images: linted, and the steps of the build run here, where there is no engine for containers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lark_provider import __version__
from tests.deploy.running import environment

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "image"
IMAGE = FOLDER / "Dockerfile"
FILES = (IMAGE, FOLDER / "airflow.Dockerfile", ROOT / "packages" / "lark-emulator" / "docker" / "Dockerfile")


def stages(file: Path) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, with their arguments."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    build_stages: list[list[tuple[str, str]]] = []
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            build_stages.append([])
        if build_stages:
            build_stages[-1].append((name, rest.strip()))
    return build_stages


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert (done.returncode, done.stdout) == (0, "")


def test_the_last_stage_builds_nothing_and_is_nobody() -> None:
    _, last = stages(IMAGE)
    assert [rest for name, rest in last if name == "USER"] == ["10001:10001"]
    assert not [rest for name, rest in last if name == "RUN" and re.search(r"\b(pip|apt-get|gcc)\b", rest)]
    assert ("STOPSIGNAL", "SIGTERM") in last
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [rest.split()[0] for name, rest in stages(IMAGE)[0] if name == "COPY"]
    copied += [word for name, rest in stages(IMAGE)[0] if name == "COPY" for word in rest.split()[1:-1]]
    assert {f"!{path}" for path in copied} <= set(ignored)
    assert all((ROOT / path).exists() for path in copied)


def test_what_the_build_does_makes_an_environment_that_runs_alone(tmp_path: Path) -> None:
    build, _ = stages(IMAGE)
    places = {
        "/opt/lark": tmp_path / "lark",
        "/wheels": tmp_path / "wheels",
        "/constraints.txt": tmp_path / "constraints",
    }
    here = Path(sys.executable).parent
    for name, rest in build:
        if name == "RUN":
            for place, mine in places.items():
                rest = rest.replace(place, str(mine))  # noqa: PLW2901 - the same line
            words = ["sh", "-euc", rest]
            env = os.environ | {"PATH": f"{here}:{os.environ['PATH']}"}
            done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # noqa: S603
            assert done.returncode == 0, done.stdout + done.stderr
    bin_folder = tmp_path / "lark" / "bin"
    run = subprocess.check_output([bin_folder / "lark-provider", "--version"], env=environment({}), text=True)  # noqa: S603
    assert run.strip() == f"airflow-provider-lark {__version__}"
    assert not [program.name for program in bin_folder.iterdir() if program.name.startswith("pip")]
    script = """
import prometheus_client, uvicorn, uvloop, websockets, yaml
from importlib.util import find_spec
print(find_spec("airflow"))
"""
    assert subprocess.check_output([bin_folder / "python", "-c", script], text=True).strip() == "None"  # noqa: S603
    locked = (tmp_path / "constraints").read_text().splitlines()
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert len(locked) == len(re.findall(r"^[\w.-]+==", lock, re.MULTILINE))
