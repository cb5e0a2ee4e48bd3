"""The image of the local Lark, without Docker: its steps, run in an environment of their own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import yaml
from lark_emulator import options

from tests.package.environments import EMULATOR, run

DOCKERFILE = (EMULATOR / "docker" / "Dockerfile").read_text("utf-8")
IGNORED = (EMULATOR / ".dockerignore").read_text("utf-8").split()


def instructions() -> list[tuple[str, str]]:
    """Return the name and the words of each instruction, lines that go on joined."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line)]


def the(name: str) -> list[str]:
    """Return the words of all instructions of a name."""
    return [words for instruction, words in instructions() if instruction == name]


def pip(python: Path, words: str, wheels: Path, cwd: Path) -> None:
    """Run a step `pip …` of the image with another folder of wheels."""
    assert words.startswith("pip ")
    step = words.removeprefix("pip ").replace("/wheels", str(wheels))
    run(sys.executable, "-m", "pip", "--python", python, "--quiet", *shlex.split(step), cwd=cwd)


def test_the_steps_of_the_image_make_a_command_that_is_healthy(tmp_path: Path) -> None:
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    for words in the("COPY"):
        *names, _ = words.split()
        for name in names:
            assert f"!{name}" in IGNORED  # else Docker would not see it
            path = EMULATOR / name
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, source / name)
    build, install = the("RUN")
    environments = [tmp_path / "build", tmp_path / "image"]
    for folder in environments:
        run(sys.executable, "-m", "venv", "--without-pip", folder)
    builder, python = (folder / "bin" / "python" for folder in environments)
    pip(builder, build, wheels, source)
    pip(
        python, install[install.index("pip ") :].partition("&&")[0], wheels, tmp_path
    )  # the rest makes a user

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    (env,), (entry,), (health,) = the("ENV"), the("ENTRYPOINT"), the("HEALTHCHECK")
    variables = dict(word.split("=", 1) for word in shlex.split(env))
    assert {name.lower() for name in variables if name.startswith("LARK_EMULATOR_")} <= {
        f"lark_emulator_{name}" for name in options._OPTIONS
    }
    assert variables["LARK_EMULATOR_PORT"] == the("EXPOSE")[0] == str(options.DEFAULT_PORT)
    variables |= {"LARK_EMULATOR_PORT": port, "LARK_EMULATOR_DATA": str(tmp_path / "data")}
    clean = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", **variables}
    (tmp_path / "data").mkdir(mode=0o700)
    command = [str(python.parent / word) for word in json.loads(entry)]
    with subprocess.Popen(command, env=clean, stdout=subprocess.PIPE, text=True) as emulator:  # noqa: S603 - ours
        try:
            assert emulator.stdout is not None
            assert "Lark emulator at" in emulator.stdout.readline()
            check = json.loads(health.partition("CMD ")[2].replace(str(options.DEFAULT_PORT), port))
            done = subprocess.run(  # noqa: S603 - the image's own check
                [python.parent / check[0], *check[1:]], env=clean, capture_output=True, text=True, check=False
            )
        finally:
            emulator.send_signal(getattr(signal, the("STOPSIGNAL")[0]))
    assert done.returncode == 0, done.stderr
    assert emulator.returncode == 0
    assert list((tmp_path / "data").iterdir()) != []


def test_the_compose_file_fits_the_image() -> None:
    compose = yaml.safe_load((EMULATOR / "docker" / "compose.yml").read_text("utf-8"))
    service = compose["services"]["lark-emulator"]
    build = service["build"]
    assert (EMULATOR / "docker" / build["context"] / build["dockerfile"]).samefile(
        EMULATOR / "docker" / "Dockerfile"
    )
    names = {name.removeprefix("LARK_EMULATOR_").lower() for name in service["environment"]}
    assert names <= options._OPTIONS.keys()
    port = options.DEFAULT_PORT
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]  # loopback alone
    ((volume, _, folder),) = [mount.partition(":") for mount in service["volumes"]]
    assert volume in compose["volumes"]
    assert [folder] == the("VOLUME") == [service["environment"]["LARK_EMULATOR_DATA"]]
    assert service["read_only"] is True
