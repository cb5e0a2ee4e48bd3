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


def page(language: Language) -> str:
    """Return the page of the clients."""
    title, intro, made, values = _TEXTS[language.code]
    client = LarkServiceClient(app_id="cli_reference", app_secret="none")  # noqa: S106 - it calls nobody
    parts = [f"# {title}", intro, f"## {made}", *(_class(language, name) for name in _CLASSES)]
    for path, namespace in _namespaces(client, "client"):
        about = inspect.getdoc(type(namespace)) or ""
        parts.append(f"## `{path}`\n\n{about.split(': ', 1)[-1][:1].upper()}{about.split(': ', 1)[-1][1:]}")
        parts += [_operation(language, path, name, method) for name, method in _operations(namespace)]
    parts.append(f"## {values}")
    parts += [_value(language, found) for found in _values(client)]
    client.close()
    return writing.page(*parts)


def _class(language: Language, name: str) -> str:
    found = code.thing(name)
    names = code.list_documented(found)
    return writing.page(
        f"### `{name}`",
        code.signature(name, code.parameters(found, names)) if names else "",
        code.body(found, language),
    )


def _values(client: LarkServiceClient) -> list[griffe.Class]:
    """Return the classes that signatures name, by name."""
    found: dict[str, griffe.Class] = {}
    for _, namespace in _namespaces(client, "client"):
        for _, method in _operations(namespace):
            build = _find_function(method)
            for one in code.classes(build.returns, *(each.annotation for each in build.parameters)):
                if one.name not in _WRAPPING and one.docstring is not None:
                    found[one.name] = one
    return [found[name] for name in sorted(found)]


def _value(language: Language, found: griffe.Class) -> str:
    names = code.list_documented(found)
    return writing.page(
        f"### `{found.name}`",
        f"```python\nfrom {found.module.path} import {found.name}\n```",
        code.signature(found.name, code.parameters(found, names)) if names else "",
        code.body(found, language),
    )


def _find_function(method: Any) -> griffe.Function:
    """Return the function that describes an operation."""
    build = inspect.unwrap(method)
    found = code.thing(f"{build.__module__}.{build.__qualname__}")
    assert isinstance(found, griffe.Function)  # noqa: S101 - nothing else is bound
    return found


def _public(holder: object) -> Iterator[tuple[str, Any]]:
    for name in dir(type(holder)):
        if not name.startswith("_"):
            yield name, getattr(holder, name)


def _namespaces(holder: object, path: str) -> Iterator[tuple[str, Namespace[Any]]]:
    for name, one in _public(holder):
        if isinstance(one, Namespace):
            yield f"{path}.{name}", one
            yield from _namespaces(one, f"{path}.{name}")


def _operations(namespace: Namespace[Any]) -> Iterator[tuple[str, Any]]:
    return (
        (name, one) for name, one in _public(namespace) if callable(one) and not isinstance(one, Namespace)
    )


def _operation(language: Language, path: str, name: str, method: Any) -> str:
    found = _find_function(method)
    returned = str(inspect.signature(method).return_annotation)
    written = code.parameters(found)
    return writing.page(
        f"### `{path.removeprefix('client.')}.{name}`",
        code.signature(f"{path}.{name}", written, re.sub(r"^<.*>$|\[R_co\]", "", returned)),
        code.body(found, language),
    )
