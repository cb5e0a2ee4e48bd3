"""docs/en/stubs.md, testing.md and reach.md: their examples run, and what they name exists."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator import options
from lark_emulator.control.seed_file import Seed
from lark_emulator.control.state_pages import PARTS
from lark_emulator.lark import Lark
from lark_emulator.settings import Settings
from lark_emulator.stubs import template

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.emulator.conftest import Api

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "en"
PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("stubs", "testing", "reach")}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)


@pytest.mark.parametrize(("page", "count"), [("stubs", 4), ("testing", 1), ("reach", 1)])
def test_the_examples_run(lark: Emulator, api: Api, tmp_path: Path, page: str, count: int) -> None:
    def send_report() -> None:
        api.send(text="report")

    names: dict[str, Any] = {"lark": lark, "api": api, "folder": tmp_path, "send_report": send_report}
    examples = blocks(page, "python")
    assert len(examples) == count
    for example in examples:
        exec(compile(example, page, "exec"), names)  # noqa: S102 - the page's own text
    for name, test in list(names.items()):
        if name.startswith("test_"):
            test(lark)
    assert lark.state(summary=True)["crashes"] == 0


def test_the_stub_over_http_is_one(lark: Emulator) -> None:
    (plan,) = re.findall(r"-d '(.*?)'\n", blocks("stubs", "console")[0], re.DOTALL)
    httpx.post(f"{lark.base_url}/_emulator/stubs", json=json.loads(plan)).raise_for_status()


def test_the_seed_can_be_sown(tmp_path: Path) -> None:
    file = tmp_path / "seed.toml"
    (text,) = blocks("testing", "toml")
    file.write_text(text)
    lark = Lark()
    Seed.read(file).sow(lark)
    assert lark.world.chats["oc_on_call"].name == "On call"
    assert len(lark.world.bases["bascnIncidents"].tables["tblOpen"].records) == 1


def test_every_option_and_variable_that_is_named_exists_and_every_option_is_named() -> None:
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    known = {name for name in parser._option_string_actions if name.startswith("--")} - {"--help"}
    texts = [*PAGES.values(), *(file.read_text("utf-8") for file in (ROOT / "docker").iterdir())]
    written = "\n".join(texts)
    named = {f"--{name}" for name in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", PAGES["reach"])}
    assert known <= named
    assert named - known <= {"--"}
    variables = {name.lower() for name in re.findall(r"LARK_EMULATOR_([A-Z_]+)", written)}
    assert variables <= options._OPTIONS.keys()
    assert {name.removeprefix("--").replace("-", "_") for name in known} <= options._OPTIONS.keys()


def test_the_clients_that_were_tried_are_those_that_are_pinned_and_have_flows() -> None:
    folder = ROOT / "tests" / "third_party"
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (folder / "requirements.txt").read_text(), re.MULTILINE))
    locked = {name: (folder / "locks" / f"{name}.txt").read_text() for name in pinned}
    assert [name for name in pinned if f"{name.lower()}=={pinned[name]} \\\n" not in locked[name]] == []
    assert [name for name, text in locked.items() if "://" in text or "--hash=sha256:" not in text] == []
    pinned |= json.loads((folder / "package.json").read_text())["dependencies"]
    assert "://" not in re.sub(r'"url": ".*"', "", (folder / "locks" / "package-lock.json").read_text())
    flows = {file.stem.replace("+", "/") for file in (folder / "flows").iterdir() if file.is_file()}
    assert flows == pinned.keys()
    assert dict(re.findall(r"^\| `([^`]+)` (\d\S+?)(?: \(.*\))? \|", PAGES["reach"], re.MULTILINE)) == pinned
    assert len(pinned) >= 10


def test_placeholders_settings_and_parts_are_those_of_the_code() -> None:
    for name in re.findall(r"\{\{([^{}]+)\}\}", PAGES["stubs"]):
        template.check(f"{{{{{name}}}}}")
    settings = Settings().to_dict()
    for name in ("log_entries", "log_bytes", "log_body_bytes", "fallback_answers"):
        assert f"`{name}`" in PAGES["stubs"]
        assert name in settings
    assert [name for name in PARTS if f"`{name}`" not in PAGES["testing"]] == []
