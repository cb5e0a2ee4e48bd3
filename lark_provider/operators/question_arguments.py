"""Check the arguments of a question when the DAG file is parsed, before anybody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from lark_provider.protocol.arguments import check_choice, check_list, check_one_or_more, check_texts
from lark_provider.protocol.errors import InvalidRequestError

OnReject: TypeAlias = Literal["fail", "skip", "return"]
DEFAULT_OPTIONS = {"approve": "Approve", "reject": "Reject"}
DEFAULT_REJECTIONS = ("reject",)


def read_options(options: Any) -> dict[str, str]:
    """Return the options; the default ones for None or an empty dict.

    Args:
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not a dict of str.
    """
    if options is None or options == {}:
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
    """Return the decisions that are rejections; for None `reject`, whether it is an option or not.

    Args:
        rejections: One decision or several.
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not str, or not among the options.
    """
    if rejections is None:
        return DEFAULT_REJECTIONS
    decisions = check_one_or_more("rejections", rejections, "a list of decisions such as ['reject']")
    if unknown := [decision for decision in decisions if decision not in options]:
        raise InvalidRequestError(
            f"rejections must be decisions from options ({', '.join(options)}), got {unknown[0]!r}. Next: "
            "correct the spelling, or add it to options."
        )
    return tuple(decisions)


def check_on_reject(on_reject: object) -> None:
    """Check what happens to a task whose question is rejected.

    Args:
        on_reject: `fail`, `skip` or `return`.

    Raises:
        InvalidRequestError: It is something else.
    """
    check_choice("on_reject", on_reject, get_args(OnReject))


def read_branches(branches: Any, options: Mapping[str, str]) -> dict[str, str | Sequence[str]] | None:
    """Return the tasks to continue with by decision; None if the question does not branch.

    Args:
        branches: A task id, or several, by decision; None for no branching.
        options: The label of a button by decision.

    Raises:
        InvalidRequestError: They are not a dict of task ids, or not by decisions from the options.
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
    return {
        decision: tasks
        if isinstance(tasks, str)
        else check_texts(f"branches[{decision!r}]", tasks, "a task id, or a list of them")
        for decision, tasks in branches.items()
    }


def read_fields(fields: Any) -> list[Mapping[str, Any]]:
    """Return the elements of the form.

    Args:
        fields: Elements of a card.

    Raises:
        InvalidRequestError: They are not a list of elements.
    """
    example = "a list such as [Input('reason')], from lark_provider.api.cards"
    elements = [fields] if isinstance(fields, Mapping) else check_list("fields", fields, example)
    if isinstance(fields, Mapping) or not all(isinstance(element, Mapping) for element in elements):
        raise InvalidRequestError(
            f"fields must be a list of card elements, got {fields!r:.120}. Next: pass {example}."
        )
    return elements
