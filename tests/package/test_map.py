"""CONTRIBUTING's map knows every folder and module at the top of the package, in the order of the layers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def list_mapped() -> list[str]:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    block = (
        text.partition("## The map")[2]
        .partition("lark_provider/\n")[2]
        .partition("packages/lark-emulator/")[0]
    )
    return re.findall(r"^  (?=\S)(\w+)(?:/|\.py)", block, re.MULTILINE)


def test_the_map_is_complete() -> None:
    package = ROOT / "lark_provider"
    modules = {path.name for path in package.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    modules |= {path.stem for path in package.glob("*.py")}
    assert sorted(list_mapped()) == sorted(modules)


def test_the_map_is_in_the_order_of_the_layers() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if contract["name"] == "Imports go down only"]
    heights = {name: height for height, layer in enumerate(layers) for name in layer.split(" | ")}
    mapped = [name for name in list_mapped() if name != "__init__"]
    assert mapped == sorted(mapped, key=heights.__getitem__)
