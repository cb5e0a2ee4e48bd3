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
    found = griffe.load("lark_provider", search_paths=[str(ROOT)], docstring_parser="google")
    assert isinstance(found, griffe.Module)  # noqa: S101 - a package is a module
    return found


def thing(path: str) -> griffe.Object:
    """Return what a dotted path names, such as `lark_provider.operators.LarkWebhookOperator`."""
    found = package()[path.removeprefix("lark_provider.")]
    return found.final_target if isinstance(found, griffe.Alias) else found


def render_annotation(annotation: str | griffe.Expr | None) -> str:
    """Return an annotation as users read it: aliases of types as what they stand for."""
    if annotation is None:
        return ""
    if isinstance(annotation, str):
        return annotation
    names = [one for one in annotation.iterate(flat=True) if isinstance(one, griffe.ExprName)]
    if any(map(_is_variable, names)):
        return ""
    text = "".join(_pieces(annotation))
    text = re.sub(r"Literal\[([^\]]*)\]", lambda found: found.group(1).replace(", ", " | "), text)
    return text.replace("'", '"')


def _value(default: str | griffe.Expr) -> str:
    """Return a default as it is written, but constants as what they are."""
    if isinstance(default, griffe.ExprName | griffe.ExprAttribute):
        try:
            found = thing(default.canonical_path)
        except KeyError:
            found = None
        if isinstance(found, griffe.Attribute) and isinstance(found.value, str):
            default = found.value
        elif isinstance(found, griffe.Attribute):  # computed, such as 30 * 1024
            default = repr(getattr(import_module(found.module.path), found.name))
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
                found = thing(piece.canonical_path)
            except KeyError:
                continue
            if isinstance(found, griffe.Class):
                yield found
            elif isinstance(found, griffe.Attribute):
                yield from classes(found.value)


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
        found = thing(name.canonical_path) if name.canonical_path.startswith("lark_provider.") else None
    except KeyError:
        return False
    return isinstance(found, griffe.Attribute) and str(found.value).startswith("TypeVar(")


def _alias(name: griffe.ExprName) -> griffe.Expr | None:
    path = name.canonical_path
    if not path.startswith("lark_provider."):
        return None
    try:
        found = thing(path)
    except KeyError:
        return None
    if not isinstance(found, griffe.Attribute) or str(found.annotation) != "TypeAlias":
        return None
    return found.value if isinstance(found.value, griffe.Expr) else None


def parameters(found: griffe.Object, names: Iterable[str] | None = None) -> list[str]:
    """Return the parameters of a function or class as they are written, those of base classes too.

    Args:
        found: It.
        names: The parameters to show; all of its own if None.
    """
    if isinstance(found, griffe.Function):
        return _render_arguments(
            found.parameters, {one.name for one in found.parameters} if names is None else set(names)
        )
    assert isinstance(found, griffe.Class)  # noqa: S101 - nothing else is called
    wanted = list(names or ())
    known: dict[str, griffe.Parameter] = {}
    for one in (found, *found.mro()):
        init = one.members.get("__init__")
        if isinstance(init, griffe.Function):
            known = {**{each.name: each for each in init.parameters}, **known}
    return _render_arguments(
        griffe.Parameters(*(known[name] for name in wanted if name in known)), set(wanted)
    )


def _render_arguments(given: griffe.Parameters, wanted: set[str]) -> list[str]:
    written, by_name = [], False
    order = sorted(given, key=lambda one: one.kind is griffe.ParameterKind.keyword_only)
    for one in order:
        if one.name in {"self", "cls"} or one.name not in wanted:
            continue
        if one.kind is griffe.ParameterKind.keyword_only and not by_name:
            written.append("*")
            by_name = True
        stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}.get(
            one.kind, ""
        )
        by_name = by_name or stars == "*"
        annotation = render_annotation(one.annotation)
        default = _value(one.default) if one.default is not None and not stars else None
        text = f"{stars}{one.name}" + (f": {annotation}" if annotation else "")
        if default is not None:
            text += f" = {default}" if annotation else f"={default}"
        written.append(text)
    return written


def signature(name: str, written: list[str], returned: str = "") -> str:
    """Return a block of code with a signature, in one line where it fits."""
    tail = f") -> {returned}" if returned and returned != "None" else ")"
    line = f"{name}({', '.join(written)}{tail}"
    if len(line) > _WIDTH:
        line = "\n".join([f"{name}(", *(f"    {one}," for one in written), tail])
    return f"```python\n{line}\n```"


def list_documented(found: griffe.Object) -> list[str]:
    """Return the names of the parameters that a docstring explains."""
    return [
        item.name.lstrip("*")
        for section in sections(found)
        if isinstance(section, griffe.DocstringSectionParameters)
        for item in section.value
    ]


def sections(found: griffe.Object) -> list[griffe.DocstringSection]:
    """Return the parts of a docstring."""
    if found.docstring is None:
        return []
    found.docstring.parent = None  # Types are in the signature; the docstring is only text.
    return found.docstring.parse("google", warnings=False)


def body(found: griffe.Object, language: Language, summaries: Translation | None = None) -> str:
    """Return a docstring as Markdown.

    Args:
        found: What has it.
        language: Of the page.
        summaries: Chinese for its first paragraph; without them all of it is English.
    """
    heads = _HEADS[language.code]
    parts: list[str] = []
    for section in sections(found):
        if isinstance(section, griffe.DocstringSectionText):
            summary, blank, more = section.value.partition("\n\n")
            if summaries is not None and not parts:
                summary = summaries.say(language, " ".join(summary.split()))
            parts.append(writing.text(summary + blank + more))
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
    return writing.page(*parts)
