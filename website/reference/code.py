"""Signatures and docstrings of public things, read from the source: nothing of Airflow is imported for them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module

import griffe

from website.layout import ROOT, Language
from website.reference import writing
from website.reference.translation import Translation

_WIDTH = 88
_HEADS = {
    "en": {
        "parameters": "Parameter",
        "attributes": "Attribute",
        "meaning": "Meaning",
        "returns": "Returns",
        "yields": "Yields",
        "raises": "Raises",
    },
    "zh": {
        "parameters": "参数",
        "attributes": "属性",
        "meaning": "含义（英文）",
        "returns": "返回",
        "yields": "产出",
        "raises": "抛出",
    },
}


@lru_cache(maxsize=1)
def package() -> griffe.Module:
    """Return the package as griffe sees it."""
    logging.getLogger("griffe").setLevel(logging.CRITICAL)  # It misses types in Args, which signatures have.
    module = griffe.load("lark_provider", search_paths=[str(ROOT)], docstring_parser="google")
    assert isinstance(module, griffe.Module)  # noqa: S101 - a package is a module
    return module


def thing(path: str) -> griffe.Object:
    """Return what a dotted path names, such as `lark_provider.operators.LarkWebhookOperator`."""
    symbol = package()[path.removeprefix("lark_provider.")]
    return symbol.final_target if isinstance(symbol, griffe.Alias) else symbol


def render_annotation(annotation: str | griffe.Expr | None) -> str:
    """Return an annotation as users read it: aliases of types as what they stand for."""
    if annotation is None:
        return ""
    if isinstance(annotation, str):
        return annotation
    names = [name for name in annotation.iterate(flat=True) if isinstance(name, griffe.ExprName)]
    if any(map(_is_variable, names)):
        return ""
    text = "".join(_pieces(annotation))
    text = re.sub(r"Literal\[([^\]]*)\]", lambda match: match.group(1).replace(", ", " | "), text)
    return text.replace("'", '"')


def _value(default: str | griffe.Expr) -> str:
    """Return a default as it is written, but constants as what they are."""
    if isinstance(default, griffe.ExprName | griffe.ExprAttribute):
        try:
            symbol = thing(default.canonical_path)
        except KeyError:
            symbol = None
        if isinstance(symbol, griffe.Attribute) and isinstance(symbol.value, str):
            default = symbol.value
        elif isinstance(symbol, griffe.Attribute):  # computed, such as 30 * 1024
            default = repr(getattr(import_module(symbol.module.path), symbol.name))
    return str(default).replace("'", '"')


def classes(*annotations: str | griffe.Expr | None) -> Iterator[griffe.Class]:
    """Yield the classes of this package that annotations name, also those within aliases."""
    for annotation in annotations:
        if not isinstance(annotation, griffe.Expr):
            continue
        for piece in annotation.iterate(flat=True):
            if not isinstance(piece, griffe.ExprName) or not piece.canonical_path.startswith(
                "lark_provider."
            ):
                continue
            try:
                symbol = thing(piece.canonical_path)
            except KeyError:
                continue
            if isinstance(symbol, griffe.Class):
                yield symbol
            elif isinstance(symbol, griffe.Attribute):
                yield from classes(symbol.value)


def _pieces(annotation: griffe.Expr) -> Iterator[str]:
    for piece in annotation.iterate(flat=True):
        if isinstance(piece, str):
            yield piece
        elif isinstance(piece, griffe.ExprName):
            alias = _alias(piece)
            yield render_annotation(alias) if alias is not None else piece.name


def _is_variable(name: griffe.ExprName) -> bool:
    """Return whether a name is a type variable, which tells a reader nothing."""
    try:
        symbol = thing(name.canonical_path) if name.canonical_path.startswith("lark_provider.") else None
    except KeyError:
        return False
    return isinstance(symbol, griffe.Attribute) and str(symbol.value).startswith("TypeVar(")


def _alias(name: griffe.ExprName) -> griffe.Expr | None:
    path = name.canonical_path
    if not path.startswith("lark_provider."):
        return None
    try:
        symbol = thing(path)
    except KeyError:
        return None
    if not isinstance(symbol, griffe.Attribute) or str(symbol.annotation) != "TypeAlias":
        return None
    return symbol.value if isinstance(symbol.value, griffe.Expr) else None


def parameters(symbol: griffe.Object, names: Iterable[str] | None = None) -> list[str]:
    """Return the parameters of a function or class as they are written, those of base classes too.

    Args:
        symbol: It.
        names: The parameters to show; all of its own if None.
    """
    if isinstance(symbol, griffe.Function):
        return _render_arguments(
            symbol.parameters,
            {parameter.name for parameter in symbol.parameters} if names is None else set(names),
        )
    assert isinstance(symbol, griffe.Class)  # noqa: S101 - nothing else is called
    wanted = list(names or ())
    known: dict[str, griffe.Parameter] = {}
    for base in (symbol, *symbol.mro()):
        init = base.members.get("__init__")
        if isinstance(init, griffe.Function):
            known = {**{parameter.name: parameter for parameter in init.parameters}, **known}
    return _render_arguments(
        griffe.Parameters(*(known[name] for name in wanted if name in known)), set(wanted)
    )


def _render_arguments(params: griffe.Parameters, wanted: set[str]) -> list[str]:
    written, by_name = [], False
    order = sorted(params, key=lambda param: param.kind is griffe.ParameterKind.keyword_only)
    for parameter in order:
        if parameter.name in {"self", "cls"} or parameter.name not in wanted:
            continue
        if parameter.kind is griffe.ParameterKind.keyword_only and not by_name:
            written.append("*")
            by_name = True
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(
            parameter.kind, ""
        )
        by_name = by_name or stars == "*"
        annotation = render_annotation(parameter.annotation)
        default = _value(parameter.default) if parameter.default is not None and not stars else None
        text = f"{stars}{parameter.name}" + (f": {annotation}" if annotation else "")
        if default is not None:
            text += f" = {default}" if annotation else f"={default}"
        written.append(text)
    return written


def signature(name: str, written: list[str], returned: str = "") -> str:
    """Return a block of code with a signature, in one line where it fits."""
    tail = f") -> {returned}" if returned and returned != "None" else ")"
    line = f"{name}({', '.join(written)}{tail}"
    if len(line) > _WIDTH:
        line = "\n".join([f"{name}(", *(f"    {argument}," for argument in written), tail])
    return f"```python\n{line}\n```"


def list_documented(symbol: griffe.Object) -> list[str]:
    """Return the names of the parameters that a docstring explains."""
    return [
        item.name.lstrip("*")
        for section in sections(symbol)
        if isinstance(section, griffe.DocstringSectionParameters)
        for item in section.value
    ]


def sections(symbol: griffe.Object) -> list[griffe.DocstringSection]:
    """Return the parts of a docstring."""
    if symbol.docstring is None:
        return []
    symbol.docstring.parent = None  # Types are in the signature; the docstring is only text.
    return symbol.docstring.parse("google", warnings=False)


def render_body(symbol: griffe.Object, language: Language, summaries: Translation | None = None) -> str:
    """Return a docstring as Markdown.

    Args:
        symbol: What has it.
        language: Of the page.
        summaries: Chinese for its first paragraph; without them all of it is English.
    """
    heads = _HEADS[language.code]
    parts: list[str] = []
    for section in sections(symbol):
        if isinstance(section, griffe.DocstringSectionText):
            summary, blank, more = section.value.partition("\n\n")
            if summaries is not None and not parts:
                summary = summaries.say(language, " ".join(summary.split()))
            parts.append(writing.format_text(summary + blank + more))
        elif isinstance(section, griffe.DocstringSectionParameters | griffe.DocstringSectionAttributes):
            kind = "parameters" if isinstance(section, griffe.DocstringSectionParameters) else "attributes"
            rows = [(f"`{item.name}`", item.description) for item in section.value]
            parts.append(writing.table((heads[kind], heads["meaning"]), rows))
        elif isinstance(section, griffe.DocstringSectionReturns | griffe.DocstringSectionYields):
            kind = "returns" if isinstance(section, griffe.DocstringSectionReturns) else "yields"
            said = " ".join(
                (f"{item.annotation}: " if item.annotation else "") + item.description
                for item in section.value
            )
            parts.append(f"**{heads[kind]}** {said}")
        elif isinstance(section, griffe.DocstringSectionRaises):
            lines = [f"- `{item.annotation}`: {' '.join(item.description.split())}" for item in section.value]
            parts.append(f"**{heads['raises']}**\n\n" + "\n".join(lines))
        elif isinstance(section, griffe.DocstringSectionAdmonition):
            parts.append(f"**{section.title}** {section.value.description}")
    return writing.join_parts(*parts)
