"""The clients: every operation, by namespace."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import griffe

from lark_provider import LarkServiceClient
from lark_provider.client.bind import Namespace
from website.layout import Language
from website.reference import code, writing

_TEXTS = {
    "en": (
        "Clients",
        "`LarkServiceClient` blocks, `AsyncLarkServiceClient` has the same operations, awaited; of a listing it returns "
        "an asynchronous iterator. `LarkWebhookClient` writes to a group by its custom bot.",
        "Making a client",
        "What operations take and return",
    ),
    "zh": (
        "客户端",
        "`LarkServiceClient` 是阻塞的；`AsyncLarkServiceClient` 有同样的操作，需要 await，列表类操作返回异步迭代器。"
        "`LarkWebhookClient` 用自定义机器人向群里发消息。签名与说明取自源码，为英文。",
        "创建客户端",
        "操作的参数与返回值",
    ),
}
_CLASSES = ("LarkServiceClient", "AsyncLarkServiceClient", "LarkWebhookClient", "AsyncLarkWebhookClient")
_WRAPPING = {"Call", "CallOrProcedure", "Procedure", "Listing"}
"""What an operation is before it is bound to a client."""


def make_page(language: Language) -> str:
    """Return the page of the clients."""
    title, intro, making, values = _TEXTS[language.code]
    client = LarkServiceClient(app_id="cli_reference", app_secret="none")  # noqa: S106 - it calls nobody
    parts = [f"# {title}", intro, f"## {making}", *(_class(language, name) for name in _CLASSES)]
    for path, namespace in _namespaces(client, "client"):
        about = inspect.getdoc(type(namespace)) or ""
        parts.append(f"## `{path}`\n\n{about.split(': ', 1)[-1][:1].upper()}{about.split(': ', 1)[-1][1:]}")
        parts += [_operation(language, path, name, method) for name, method in _operations(namespace)]
    parts.append(f"## {values}")
    parts += [_value(language, value) for value in _list_values(client)]
    client.close()
    return writing.join_parts(*parts)


def _class(language: Language, name: str) -> str:
    symbol = code.thing(name)
    names = code.list_documented(symbol)
    return writing.join_parts(
        f"### `{name}`",
        code.signature(name, code.parameters(symbol, names)) if names else "",
        code.render_body(symbol, language),
    )


def _list_values(client: LarkServiceClient) -> list[griffe.Class]:
    """Return the classes that signatures name, by name."""
    classes: dict[str, griffe.Class] = {}
    for _, namespace in _namespaces(client, "client"):
        for _, method in _operations(namespace):
            build = _find_function(method)
            for candidate in code.classes(
                build.returns, *(parameter.annotation for parameter in build.parameters)
            ):
                if candidate.name not in _WRAPPING and candidate.docstring is not None:
                    classes[candidate.name] = candidate
    return [classes[name] for name in sorted(classes)]


def _value(language: Language, symbol: griffe.Class) -> str:
    names = code.list_documented(symbol)
    return writing.join_parts(
        f"### `{symbol.name}`",
        f"```python\nfrom {symbol.module.path} import {symbol.name}\n```",
        code.signature(symbol.name, code.parameters(symbol, names)) if names else "",
        code.render_body(symbol, language),
    )


def _find_function(method: Any) -> griffe.Function:
    """Return the function that describes an operation."""
    build = inspect.unwrap(method)
    function = code.thing(f"{build.__module__}.{build.__qualname__}")
    assert isinstance(function, griffe.Function)  # noqa: S101 - nothing else is bound
    return function


def _public(holder: object) -> Iterator[tuple[str, Any]]:
    for name in dir(type(holder)):
        if not name.startswith("_"):
            yield name, getattr(holder, name)


def _namespaces(holder: object, path: str) -> Iterator[tuple[str, Namespace[Any]]]:
    for name, member in _public(holder):
        if isinstance(member, Namespace):
            yield f"{path}.{name}", member
            yield from _namespaces(member, f"{path}.{name}")


def _operations(namespace: Namespace[Any]) -> Iterator[tuple[str, Any]]:
    return (
        (name, member)
        for name, member in _public(namespace)
        if callable(member) and not isinstance(member, Namespace)
    )


def _operation(language: Language, path: str, name: str, method: Any) -> str:
    function = _find_function(method)
    returned = str(inspect.signature(method).return_annotation)
    written = code.parameters(function)
    return writing.join_parts(
        f"### `{path.removeprefix('client.')}.{name}`",
        code.signature(f"{path}.{name}", written, re.sub(r"^<.*>$|\[R_co\]", "", returned)),
        code.render_body(function, language),
    )
