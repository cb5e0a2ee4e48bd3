"""What programs import beside the clients: cards, formats, callbacks, results."""

from __future__ import annotations

from importlib import import_module

import griffe

from website.layout import Language
from website.reference import code, writing
from website.reference.chinese_summaries import VALUES
from website.reference.translation import Translation

_PACKAGES = {
    "api.cards": ("Cards", "卡片"),
    "api.clouddoc.sheets": ("Spreadsheets", "电子表格"),
    "api.clouddoc.drive": ("Files and permissions", "文件与权限"),
    "callbacks": ("Clicks and events", "点击与事件"),
}
_TEXTS = {
    "en": ("Python API", "What programs import beside the [clients](client.md) and the [errors](errors.md)."),
    "zh": (
        "Python API",
        "除[客户端](client.md)和[异常](errors.md)之外，程序会导入的东西。签名与详细说明取自源码，为英文。",
    ),
}


def make_page(language: Language) -> str:
    """Return the page of everything else that is public."""
    title, intro = _TEXTS[language.code]
    parts = [f"# {title}", intro]
    summaries = Translation("website/reference/chinese_summaries.py", VALUES)
    for package, titles in _PACKAGES.items():
        names = sorted(import_module(f"lark_provider.{package}").__all__)
        parts.append(f"## {titles[language.code == 'zh']}")
        parts += [
            _describe(language, package, name, summaries) for name in names if not name.endswith("Error")
        ]
    summaries.check()
    return writing.join_parts(*parts)


def _describe(language: Language, package: str, name: str, summaries: Translation) -> str:
    symbol = code.thing(f"{package}.{name}")
    definition = ""
    if isinstance(symbol, griffe.Function):
        definition = code.signature(name, code.parameters(symbol), code.render_annotation(symbol.returns))
    elif isinstance(symbol, griffe.Class) and (names := code.list_documented(symbol)):
        definition = code.signature(name, code.parameters(symbol, names))
    elif isinstance(symbol, griffe.Attribute):
        definition = (
            f"```python\n{name} = {code.render_annotation(symbol.value)}\n```"
            if symbol.value is not None
            else ""
        )
    return writing.join_parts(
        f"### `{name}`",
        f"```python\nfrom lark_provider.{package} import {name}\n```",
        definition,
        code.render_body(symbol, language, summaries),
    )
