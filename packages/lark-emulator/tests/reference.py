"""Write docs/{en,zh}/control-plane.md from the code: `python packages/lark-emulator/tests/reference.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lark_emulator.control import plane
from lark_emulator.control.views.settings import explain
from lark_emulator.faults import Fault
from lark_emulator.settings import CARD_RULES, CHOICES, Settings
from lark_emulator.stubs.stub import Stub

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = Path(__file__).parents[1] / "docs"
_HEADS = {
    "en": (
        "[中文](../zh/control-plane.md)",
        "Reference of the control plane",
        (
            "Generated from the code. `$LARK` is the emulator's address, such as `http://127.0.0.1:8765`. "
            'Bodies and answers are JSON objects; bad input gets 400 and `{"error": …}`, and changes nothing.'
        ),
        "Operations",
        "Settings",
        "Members of a fault",
        "Members of a stub",
        ("setting", "default", "values", "meaning"),
        "Rules of cards",
    ),
    "zh": (
        "[English](../en/control-plane.md)",
        "控制面参考",
        (
            "本页由代码生成，说明沿用代码中的英文。`$LARK` 是模拟器的地址，例如 `http://127.0.0.1:8765`。"
            '请求体和响应都是 JSON 对象。输入有误时返回 400 和 `{"error": …}`，不做任何修改。'
        ),
        "操作",
        "设置",
        "故障的字段",
        "桩的字段",
        ("设置", "默认值", "可选值", "含义"),
        "卡片规则",
    ),
}


def render_page(language: str) -> str:
    """Return the whole page in a language: `en` or `zh`."""
    twin, title, intro, operations, settings, fault, stub, columns, rules = _HEADS[language]
    parts = [f"# {title}", twin, intro, f"## {operations}"]
    for (method, path), function in plane.OPERATIONS.items():
        parts += [f"### `{method} /_emulator/{path}`", _describe(function), _curl(method, path)]
    parts += [f"## {settings}", _table(columns, _settings()), f"### {rules}", _render_list(CARD_RULES)]
    parts += [f"## {fault}", _render_list(_arguments(Fault)), f"## {stub}", _render_list(_arguments(Stub))]
    return "\n\n".join(parts) + "\n"


def _describe(function: Callable[..., Any]) -> str:
    if function.__name__ == "<lambda>":  # reading what another operation changes
        return "Return all settings."
    said = inspect.getdoc(function) or ""
    head, _, rest = said.partition("\n\nArgs:\n")
    head = re.sub(r"\n\n(Raises|Returns):.*", "", head, flags=re.DOTALL)
    spec = re.search(
        r"^    (?:spec|plan|changes|body): (.*?)(?=^    \w+: |^\w|\Z)", rest, re.MULTILINE | re.DOTALL
    )
    members = f"\n\n{_format_line(spec.group(1))}" if spec else ""
    return _format_line(head) + members


def _format_line(words: str) -> str:
    """Return a text as one line whose first letter is a capital."""
    joined = " ".join(words.split())
    return joined[:1].upper() + joined[1:]


def _curl(method: str, path: str) -> str:
    where = f'"$LARK/_emulator/{path.replace(":message_id", "$MESSAGE_ID")}"'
    if method == "GET":
        return f"```sh\ncurl {where}\n```"
    how = f"curl -X {method} {where} -H 'Content-Type: application/json'"
    return f"```sh\n{how} -d @body.json\n```" if method == "POST" else f"```sh\n{how}\n```"


def _settings() -> list[tuple[str, ...]]:
    descriptions = explain()
    rows = []
    for name, value in Settings().to_dict().items():
        choices = ", ".join(f"`{choice}`" for choice in CHOICES.get(name, ()))
        rows.append((f"`{name}`", f"`{value}`", choices or type(value).__name__, descriptions[name]))
    return sorted(rows)


def _arguments(kind: type) -> dict[str, str]:
    args = (inspect.getdoc(kind) or "").partition("\n\nArgs:\n")[2].partition("\n\n")[0]
    matches = re.findall(r"^    (\w+): (.*?)(?=^    \w+: |^\w|\Z)", args, re.MULTILINE | re.DOTALL)
    descriptions = {name: " ".join(words.split()) for name, words in matches}
    assert descriptions.keys() == {field.name for field in dataclasses.fields(kind) if field.init}, kind
    return descriptions


def _render_list(descriptions: dict[str, str]) -> str:
    return "\n".join(f"- `{name}`: {words}" for name, words in descriptions.items())


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    for language in _HEADS:
        (DOCS / language / "control-plane.md").write_text(render_page(language), "utf-8")
