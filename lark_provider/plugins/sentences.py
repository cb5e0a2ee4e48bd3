"""The messages for people about their clicks, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lark_provider.protocol.hitl.delivery import AnswerOutcome

_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "answered": ("已提交你的答复：{options}。", "Your answer is recorded: {options}."),
        "retried": ("已重新运行：{tasks}。", "Cleared, to run again: {tasks}."),
        "noted": ("已在 Airflow 中记下。", "Noted in Airflow."),
        "invalid": ("答复有误：{reason}", "The answer does not fit: {reason}"),
        "unproven": ("请求未通过验证。", "The request is not proven."),
        "unlinked": (
            "你还没有关联 Airflow 用户。请先打开链接完成关联，然后再点击一次。",
            "You are not linked to an Airflow user. Open the link to link yourself, then click again.",
        ),
        "forbidden": (
            "Airflow 用户 {person} 没有权限执行此操作。请联系 Airflow 管理员。",
            "The Airflow user {person} is not allowed to do this. Ask an administrator of Airflow.",
        ),
        "not_assigned": (
            "这个问题没有指派给 Airflow 用户 {person}，由 {assignees} 答复。",
            "This question is not assigned to the Airflow user {person}; {assignees} can answer it.",
        ),
        "foreign_tenant": (
            "只有本企业的成员可以操作。",
            "Only members of the app's own company can do this.",
        ),
        "inactive": (
            "你关联的 Airflow 用户已停用、不存在或需要重新确认。请联系管理员，或重新关联。",
            "Your Airflow user is not active or must be confirmed again. Ask an administrator.",
        ),
        "unknown_card": (
            "这张卡片没有记录，无法操作。请在 Airflow 页面上处理。",
            "This card is not recorded, so that it cannot be used. Go on in Airflow's own page.",
        ),
        "already_answered": (
            "{who} 已先答复：{options}。你的答复没有生效。",
            "{who} has answered first: {options}. Your answer does not count.",
        ),
        "superseded": (
            "任务已重新运行，这是较早一次的卡片。请使用新的卡片。",
            "The task has run again since; this card is of an earlier try. Use the newer card.",
        ),
        "over": (
            "任务已不再等待答复（状态：{state}）。",
            "The task does not wait for an answer any more (state: {state}).",
        ),
        "too_early": (
            "任务还没有准备好接收答复，稍后会自动重试。",
            "The task cannot take an answer yet; it is tried again soon.",
        ),
        "busy": ("Airflow 正忙，稍后会自动重试。", "Airflow is busy; it is tried again soon."),
        "unavailable": (
            "Airflow 或数据库暂时不可用，稍后会自动重试。",
            "Airflow or the database is unavailable; it is tried again soon.",
        ),
    }
)
_NO_ONE = ("超时默认值", "The default at the deadline")
_REST = (
    "；未重新运行（之后已有变化，或不在卡片上）：{others}",
    "; not run again, since they have changed or are not on the card: {others}",
)
_NOTHING = (
    "没有可以重新运行的任务（之后已有变化，或不在卡片上）：{others}",
    "Nothing was run again, since all has changed or is not on the card: {others}",
)


def describe_outcome(outcome: AnswerOutcome, **values: str | tuple[str, str]) -> dict[str, str]:
    """Return the message for the person who clicked.

    Args:
        outcome: The outcome of the click.
        values: What is inserted into the sentence; a pair where it differs by language (Chinese, English).
    """
    return _fill(_TEXTS[outcome], values)


def describe_retry(tasks: str, others: str) -> dict[str, str]:
    """Return the message about tasks that were cleared.

    Args:
        tasks: Those cleared; empty for none.
        others: Those left, since they have changed or are not on the card; empty for none.
    """
    if not tasks:
        return _fill(_NOTHING, {"others": others})
    message = describe_outcome("retried", tasks=tasks)
    if not others:
        return message
    rest = _fill(_REST, {"others": others})
    marks = {"zh": "。", "en": "."}
    return {name: text.removesuffix(marks[name]) + rest[name] + marks[name] for name, text in message.items()}


def describe_answerer(name: str | None) -> str | tuple[str, str]:
    """Return who has answered, for a sentence.

    Args:
        name: The name in Airflow; None if the defaults count since nobody answered in time.
    """
    return name or _NO_ONE


def _fill(texts: tuple[str, str], values: Mapping[str, str | tuple[str, str]]) -> dict[str, str]:
    return {
        name: text.format_map(
            {key: value if isinstance(value, str) else value[place] for key, value in values.items()}
        )
        for place, (name, text) in enumerate(zip(("zh", "en"), texts, strict=True))
    }
