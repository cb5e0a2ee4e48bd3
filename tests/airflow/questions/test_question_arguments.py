"""Arguments of a question that cannot be meant are refused when the DAG file is parsed."""

from __future__ import annotations

from typing import Any

import pytest

from lark_provider.api.cards import Input
from lark_provider.errors import InvalidRequestError
from lark_provider.operators import LarkApprovalOperator
from lark_provider.operators.question_arguments import DEFAULT_OPTIONS

OPTIONS = {"publish": "Publish", "drop": "Drop"}


def ask(**arguments: Any) -> LarkApprovalOperator:
    return LarkApprovalOperator(task_id="t", receiver_id="oc_1", title="Publish?", **arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"options": ["publish", "drop"]}, r"options must be a dict of labels by decision, got \['publish"),
        ({"options": {"publish": 1}}, "options must be a dict of labels"),
        ({"options": 5}, "options must be a dict of labels by decision, got 5. Next: write"),
        (
            {"options": OPTIONS, "rejections": ["dorp"]},
            r"decisions from options \(publish, drop\), got 'dorp'",
        ),
        ({"options": OPTIONS, "rejections": "dorp"}, r"got 'dorp'\. Next: correct the spelling"),
        ({"options": OPTIONS, "rejections": ["reject"]}, "got 'reject'"),
        ({"rejections": [1]}, r"rejections must hold str only, got 1\. Next: pass a list of decisions"),
        ({"rejections": 5}, "rejections must be a list, got 5"),
        ({"on_reject": "failed"}, "on_reject must be one of fail, skip, return, got 'failed'"),
        ({"branches": {"approve": 5}}, r"branches\['approve'\] must be a list, got 5\. Next: pass a task id"),
        ({"branches": ["reject"]}, "branches must be a dict of task ids by decision"),
        ({"branches": {"no": "t2"}}, r"branches must have keys from options, got \['no'\]"),
        ({"fields": Input("reason")}, "fields must be a list of card elements"),
        ({"fields": "reason"}, r"fields must be a list, got 'reason'\. Next: pass a list such as \[Input"),
        ({"fields": 5}, "fields must be a list, got 5"),
        ({"wait_for": ["all"]}, "wait_for must be 'any' or 'all'"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text) as refused:
        ask(**arguments)
    assert "Next: " in str(refused.value)
    assert isinstance(refused.value, InvalidRequestError) == ("wait_for" not in arguments)


def test_one_rejection_may_be_a_string() -> None:
    """It would be a list of its letters, none of which is an option: a click on Drop would go on."""
    assert ask(options=OPTIONS, rejections="drop").rejections == ("drop",)


def test_any_iterable_will_do() -> None:
    rejected = {"drop": "Drop"}
    fields = (Input(name) for name in ("reason", "until"))
    operator = ask(options=OPTIONS | rejected, rejections=rejected.keys(), fields=fields)
    assert operator.rejections == ("drop",)
    assert [field["name"] for field in operator.fields] == ["reason", "until"]


def test_other_options_leave_the_default_rejection_out() -> None:
    assert ask(options=OPTIONS).rejections == ("reject",)
    assert ask().options == ask(options={}).options == DEFAULT_OPTIONS
