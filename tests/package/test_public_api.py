"""The public API, written down: what changes here, changes a user's program."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, LarkWebhookClient, __version__
from lark_provider.client.bind import Namespace
from lark_provider.hooks import LarkHook
from lark_provider.hooks.base import LarkBaseHook

LISTED = Path(__file__).with_name("public_api.txt")
RELEASED = sorted(Path(__file__).parent.glob("public_api_*.txt"))
"""The lists of released versions: what is there stays until the next major version."""
PACKAGES = (
    "lark_provider",
    "lark_provider.api.approval",
    "lark_provider.api.cards",
    "lark_provider.api.clouddoc.drive",
    "lark_provider.api.clouddoc.sheets",
    "lark_provider.assets.lark",
    "lark_provider.callbacks",
    "lark_emulator",
    "lark_provider.hooks",
    "lark_provider.notifications",
    "lark_provider.operators",
    "lark_provider.sensors",
    "lark_provider.transfers",
    "lark_provider.triggers",
)
ROOT = Path(__file__).parents[2]


def parameters(function: Any) -> str:
    """Return the parameters of a function as text, with `=` behind those that may be left out."""
    shown, named = [], False
    for name, param in inspect.signature(function).parameters.items():
        if param.kind is param.KEYWORD_ONLY and not named:
            shown.append("*")
            named = True
        stars = "**" if param.kind is param.VAR_KEYWORD else "*" if param.kind is param.VAR_POSITIONAL else ""
        shown.append(f"{stars}{name}{'' if param.default is param.empty else '='}")
    return f"({', '.join(shown)})"


def public(thing: Any) -> list[str]:
    return sorted(name for name in dir(thing) if not name.startswith("_"))


def of_packages() -> Iterator[str]:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ["bitable_asset"]):
            member = getattr(module, name)
            callable_ = callable(member) and not (
                isinstance(member, type) and issubclass(member, BaseException)
            )
            yield f"{package}.{name}{parameters(member) if callable_ else ''}"


def of_namespace(namespace: Any, path: str) -> Iterator[str]:
    for name in public(namespace):
        member = getattr(namespace, name)
        if isinstance(member, Namespace):
            yield from of_namespace(member, f"{path}.{name}")
        elif name != "runner":
            yield f"{path}.{name}{parameters(member)}"


def of_client(client: LarkServiceClient | AsyncLarkServiceClient) -> Iterator[str]:
    for name in public(type(client)):
        is_property = isinstance(inspect.getattr_static(client, name), cached_property)
        member = getattr(client, name) if is_property and name != "sdk" else None
        yield f"client.{name}"
        if isinstance(member, Namespace):
            yield from of_namespace(member, f"client.{name}")


def everything() -> list[str]:
    lines = [*of_packages(), *of_client(LarkServiceClient("cli_1", "s"))]
    custom_bot = LarkWebhookClient("token")
    lines += (
        f"custom_bot.{name}{parameters(getattr(custom_bot, name))}"
        for name in public(custom_bot)
        if "send" in name
    )
    lines += (f"hook.{name}" for name in {**vars(LarkBaseHook), **vars(LarkHook)} if not name.startswith("_"))
    return sorted(lines)


def test_nothing_is_added_or_taken_away_by_accident() -> None:
    listed = LISTED.read_text("utf-8").splitlines()
    assert everything() == listed, "if it is meant: write it into public_api.txt, and into the CHANGELOG"


def read(line: str) -> tuple[str, set[str]]:
    """Return the name that a line of a list has, and its parameters."""
    name, _, rest = line.partition("(")
    return name, {param.strip(" *)").removesuffix("=") for param in rest.split(",")} - {"", "args", "kwargs"}


def missing(released: list[str], now: list[str]) -> list[str]:
    """Return what one list has and a later one lacks: a name, or a parameter of it."""
    later = dict(map(read, now))
    gone = [name for name, _ in map(read, released) if name not in later]
    for name, names in map(read, released):
        gone += [f"{name}: {param}" for param in sorted(names - later.get(name, names))]
    return gone


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_what_was_released_is_still_there(released: Path) -> None:
    """A list of a release candidate may be corrected until the release; the changelog has to say so."""
    assert missing(released.read_text("utf-8").splitlines(), LISTED.read_text("utf-8").splitlines()) == []
    major = released.stem.removeprefix("public_api_").partition(".")[0]
    assert major == __version__.partition(".")[0]


def test_what_is_taken_away_is_noticed() -> None:
    before = ["client.a(x, *, y=)", "client.b", "C(**kwargs)"]
    assert missing(before, ["C(z=)", "client.a(x, *, w=, y=)", "client.b", "client.c"]) == []
    assert missing(before, ["C(**kwargs)", "client.a(x)"]) == ["client.b", "client.a: y"]


def test_both_clients_can_do_the_same() -> None:
    sync = set(of_client(LarkServiceClient("cli_1", "s")))
    asynchronous = set(of_client(AsyncLarkServiceClient("cli_1", "s")))
    assert asynchronous - sync == {"client.aclose"}
    assert sync <= asynchronous


def test_what_the_changelog_names_is_there() -> None:
    names = set(re.findall(r"`(lark_provider(?:\.\w+)+)`", (ROOT / "CHANGELOG.md").read_text("utf-8")))
    assert len(names) > 30
    for name in sorted(names):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


if __name__ == "__main__":
    LISTED.write_text("\n".join(everything()) + "\n", "utf-8")
