"""Read YAML as plain values with their lines. No tag can construct anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from lark_provider.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    import yaml

MAX_CHARACTERS = 1_000_000
_MAX_VALUES = 100_000
_TAG = "tag:yaml.org,2002:"
_TEXTS = {f"{_TAG}{kind}" for kind in ("str", "timestamp", "value")}
"""Types of scalars that stay text, since no member here is a date such as `2026-11-26`."""
_TRUE, _FALSE = {"yes", "true", "on"}, {"no", "false", "off"}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the file.

    Attributes:
        plain: None, a boolean, a number, a string, a list of values, or a dict of strings to values.
        line: Where it begins, from 1.
        text: Of a scalar, as it is written; so an id of digits stays what it is.
    """

    plain: Any
    line: int
    text: str = ""


Members: TypeAlias = dict[str, Value]


def read_yaml(text: str | bytes) -> Value:
    """Read YAML.

    Args:
        text: One document, or its bytes as UTF-8; anchors and aliases are followed.

    Returns:
        The value; None on line 1 for an empty text.

    Raises:
        ConfigurationError: It is not UTF-8 or YAML, is too large, or has a tag, a key that is not a string,
            or a key twice. The line is named.
    """
    outcome = _read(_import_library(), text)
    if isinstance(outcome, ConfigurationError):
        del text  # Error reporters print the arguments of this function, and it may hold a secret by mistake.
        raise outcome
    return outcome


def _read(yaml: Any, text: str | bytes) -> Value | ConfigurationError:
    """Return the value, or the error, so that no frame that holds nodes of the file is in a traceback.

    An error reporter that prints such a frame would follow aliases of aliases for hours.
    """
    try:
        text = text if isinstance(text, str) else text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return ConfigurationError(
            f"Line {line}: a routes file must be UTF-8. Next: save it in that encoding."
        )
    if len(text) > MAX_CHARACTERS:
        return ConfigurationError(
            f"A routes file must have at most {MAX_CHARACTERS:,} characters, got {len(text):,}. Next: match "
            "several DAGs by one pattern or tag."
        )
    try:
        # Only nodes are made here, which `_Reader` reads as plain values: no tag constructs an object.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return Value(None, 1) if root is None else _Reader().read_value(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        # The library quotes lines of the file in its text, which may hold what should not be shown.
        return ConfigurationError(
            f"{f'Line {mark.line + 1}: it' if mark else 'It'} must be YAML, got: {problem}. Next: correct "
            "the indentation, and quote texts with special characters."
        )
    except ConfigurationError as error:
        return ConfigurationError(str(error))
    except RecursionError:
        return ConfigurationError(
            "The values of a routes file must not be nested so deeply. Next: write it as the documents show."
        )


def strip_lines(value: Value) -> Any:
    """Return a value without its lines, as `yaml.safe_load` would; dates and times stay text."""
    if isinstance(value.plain, dict):
        return {name: strip_lines(member) for name, member in value.plain.items()}
    if isinstance(value.plain, list):
        return [strip_lines(item) for item in value.plain]
    return value.plain


def _import_library() -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigurationError(
            "Routes need PyYAML, which is not installed. Next: pip install 'airflow-provider-lark[bridge]'."
        ) from None
    return yaml


class _Reader:
    """Makes values of nodes. Counted, since a few aliases of aliases make billions of values."""

    def __init__(self) -> None:
        self._values = self._characters = 0

    def read_value(self, node: yaml.Node) -> Value:
        line = node.start_mark.line + 1
        self._values += 1
        self._characters += len(node.value) if isinstance(node.value, str) else 0
        if self._values > _MAX_VALUES or self._characters > MAX_CHARACTERS:
            raise ConfigurationError(
                f"Line {line}: a routes file must have at most {_MAX_VALUES:,} values and "
                f"{MAX_CHARACTERS:,} characters, aliases included. Next: use fewer aliases."
            )
        if node.tag == f"{_TAG}seq" and isinstance(node.value, list):
            return Value([self.read_value(child) for child in node.value], line)
        if node.tag == f"{_TAG}map" and isinstance(node.value, list):
            return Value(self._read_members(node.value), line)
        if isinstance(node.value, str):
            return Value(_parse_scalar(node.tag, node.value, line), line, node.value)
        raise _make_unknown_tag_error(node.tag, line)

    def _read_members(self, pairs: list[Any]) -> Members:
        members: Members = {}
        for key, value in pairs:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                raise ConfigurationError(
                    f"Line {line}: `<<` is not supported. Next: repeat the members, or use `defaults:`."
                )
            if not isinstance(key.value, str):
                raise ConfigurationError(f"Line {line}: a key must be a word. Next: write `name: value`.")
            if key.value in members:
                raise ConfigurationError(
                    f"Line {line}: {key.value[:80]!r} must be there once, and line {members[key.value].line} "
                    "has it too. Next: remove one of them."
                )
            members[key.value] = self.read_value(value)
        return members


def _parse_scalar(tag: str, text: str, line: int) -> Any:
    if tag in _TEXTS:
        return text
    word = text.strip().lower()
    if tag == f"{_TAG}null":
        return None
    if tag == f"{_TAG}bool" and word in _TRUE | _FALSE:
        return word in _TRUE
    if tag in {f"{_TAG}int", f"{_TAG}float"}:
        try:
            return int(text) if tag.endswith("int") else float(text)
        except ValueError:
            return text  # e.g. 22:30, which YAML 1.1 takes for a number to the base of 60
    raise _make_unknown_tag_error(tag, line)


def _make_unknown_tag_error(tag: str, line: int) -> ConfigurationError:
    return ConfigurationError(
        f"Line {line}: a value must be a text, a number, a list or members, got the tag {tag[:80]!r}. Next: "
        "remove the tag, and quote the text."
    )
