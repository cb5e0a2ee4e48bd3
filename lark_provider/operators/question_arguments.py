"""Check the arguments of a question when the DAG file is parsed, before anybody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lark_provider.protocol.errors import InvalidRequestError

DEFAULT_OPTIONS = {"approve": "Approve", "reject": "Reject"}
DEFAULT_REJECTIONS = ("reject",)
"""Rejections that are not among the options are refused, but for these: the options may be others."""


def read_options(options: Any) -> dict[str, str]:
    """Return the options; the default ones for None or an empty dict.

    Args:
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not a dict of strings.
    """
    if not options:
        return dict(DEFAULT_OPTIONS)
    if not isinstance(options, Mapping) or not all(
        isinstance(text, str) for text in [*options, *options.values()]
    ):
        raise InvalidRequestError(
            f"options must be a dict of labels by decision, got {options!r:.120}. Next: write "
            "{'approve': 'Approve', 'reject': 'Reject'}."
        )
    return dict(options)


def read_rejections(rejections: Any, options: Mapping[str, str]) -> tuple[str, ...]:
    """Return the decisions that are rejections.

    Args:
        rejections: One decision or several.
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not strings, or not among the options.
    """
    decisions = [rejections] if isinstance(rejections, str) else rejections
    if not isinstance(decisions, Sequence | set | frozenset) or not all(
        isinstance(text, str) for text in decisions
    ):
        raise InvalidRequestError(
            f"rejections must be a list of decisions, got {rejections!r:.120}. Next: write ['reject']."
        )
    unknown = sorted(set(decisions) - set(options) - set(DEFAULT_REJECTIONS))
    if unknown:
        raise InvalidRequestError(
            f"rejections must be decisions from options ({', '.join(options)}), got {unknown}. Next: correct "
            "the spelling, or add them to options."
        )
    return tuple(decisions)


def read_branches(branches: Any, options: Mapping[str, str]) -> dict[str, str | Sequence[str]] | None:
    """Return the tasks to continue with by decision; None if the question does not branch.

    Args:
        branches: A task id, or several, by decision; None for no branching.
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not a dict, or not by decisions from the options.
    """
    if branches is None:
        return None
    if not isinstance(branches, Mapping):
        raise InvalidRequestError(
            f"branches must be a dict of task ids by decision, got {branches!r:.120}. Next: write "
            "{'approve': 'publish', 'reject': 'discard'}."
        )
    unknown = sorted(map(str, set(branches) - set(options)))
    if unknown:
        raise InvalidRequestError(
            f"branches must have keys from options, got {unknown}. Next: add them to options."
        )
    return dict(branches)


def read_fields(fields: Any) -> list[Mapping[str, Any]]:
    """Return the elements of the form.

    Args:
        fields: Elements of a card.

    Raises:
        InvalidRequestError: They are not a list of elements.
    """
    if not isinstance(fields, Sequence) or not all(isinstance(field, Mapping) for field in fields):
        raise InvalidRequestError(
            f"fields must be a list of card elements, got {fields!r:.120}. Next: write [Input('reason')], "
            "from lark_provider.api.cards."
        )
    return list(fields)
