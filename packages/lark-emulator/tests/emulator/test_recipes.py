"""docs/en/recipes.md: each recipe runs as it stands. The Chinese page has the same code."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lark_emulator import options

if TYPE_CHECKING:
    from lark_emulator import Emulator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "en" / "recipes.md").read_text("utf-8")
INTRODUCTION, *_RECIPES = re.split(r"^## … ", PAGE, flags=re.MULTILINE)
RECIPES = {recipe.partition("?\n")[0]: recipe for recipe in _RECIPES}
SECONDS = 300


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the language and the code of each block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def write_files(text: str, folder: Path) -> None:
    """Write the blocks that begin with a comment of a file's name as that file."""
    for _, code in blocks(text):
        named = re.match(r"(?:#|//) (\S+\.\w+)\n", code)
        if named:
            (folder / named[1]).write_text(code, "utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def run(script: str, folder: Path, lark: Emulator) -> None:
    """Run a shell script, whose own emulators end with it."""
    port = free_port()
    starts_one = "lark-emulator " in script
    commands = {name: shutil.which(name) for name in ("curl", "node")}
    missing = [name for name, path in commands.items() if path is None and re.search(rf"\b{name} ", script)]
    if missing:
        pytest.fail(f"{missing[0]} must be installed for the recipes. Next: install {missing[0]}.")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LARK_EMULATOR")}
    process = subprocess.Popen(  # noqa: S603 - the page's own text
        ["sh", "-eu", "-c", script],  # noqa: S607 - on every system
        cwd=folder,
        env={
            **environ,
            "LARK": f"http://127.0.0.1:{port}" if starts_one else lark.base_url,
            "LARK_EMULATOR_PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what a script that failed has left
    assert process.returncode == 0, f"{script}\n{printed}"


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_works(name: str, lark: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(INTRODUCTION, tmp_path)
    write_files(RECIPES[name], tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "notify", raising=False)
    names: dict[str, Any] = {"lark": lark, "__name__": "recipe"}
    snippets = [(language, code) for language, code in blocks(RECIPES[name]) if language in ("python", "sh")]
    assert snippets
    for language, code in snippets:
        if language == "python":
            exec(compile(code, name, "exec"), names)  # noqa: S102 - the page's own text
        else:
            run(code, tmp_path, lark)
    assert lark.state(summary=True)["crashes"] == 0


def test_a_recipe_that_does_not_work_is_noticed(lark: Emulator, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="grep"):
        run('curl -s "$LARK/_emulator/settings" | grep -q "no such setting"', tmp_path, lark)


def test_each_recipe_checks_something() -> None:
    assert len(RECIPES) == 12
    for name, recipe in RECIPES.items():
        code = "".join(code for _, code in blocks(recipe))
        assert re.search(r"\bassert\b|grep -q|urlopen", code), name


def test_the_compose_file_names_what_is_there() -> None:
    (compose,) = [code for language, code in blocks(RECIPES["run it in CI"]) if language == "yaml"]
    services = yaml.safe_load(compose)["services"]
    assert services["tests"]["depends_on"].keys() <= services.keys()
    assert services["tests"]["environment"]["LARK_BASE_URL"] == f"http://lark-emulator:{options.DEFAULT_PORT}"
    variables = {name.lower() for name in re.findall(r"LARK_EMULATOR_([A-Z_]+)", compose)}
    assert variables <= options._OPTIONS.keys()
    assert (ROOT / services["lark-emulator"]["build"]["dockerfile"]).exists()
