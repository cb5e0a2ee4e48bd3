"""The bridge's answers to chat commands, in both languages. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from lark_provider.api.routes.commands import CommandRule

_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "too_old": (
            "这条命令送达时已超过 30 分钟，没有执行。如仍需要，请重新发送。",
            "This command arrived more than 30 minutes late and was not executed. Send it again if needed.",
        ),
        "started": (
            "已启动 {dag}；Airflow 一度无法连接，因此回复较晚。结束后会在此回复。",
            "{dag} was started; this answer is late, as Airflow was unreachable. The end is reported here.",
        ),
        "invalid": ("命令有误：{reason}", "Invalid command: {reason}"),
        "not_open": (
            "在此会话中，你不能对 {dag} 使用这个命令。发送 /help 查看可用的命令。",
            "You are not allowed to use this command on {dag} in this chat. Send /help for a list.",
        ),
        "nothing": (
            "在此会话中，没有向你开放的命令。",
            "You are not allowed to use any command in this chat.",
        ),
        "help": ("你可以在此使用：", "You can send here:"),
        "success": ("{dag} 运行成功{took}。", "{dag} has succeeded{took}."),
        "failed": ("{dag} 运行失败{took}。", "{dag} has failed{took}."),
        "deleted": ("{dag} 的这次运行已被删除。", "This run of {dag} was deleted."),
        "unwatched": (
            "{dag} 已运行超过 7 天，不再在此通知。",
            "{dag} has run for more than 7 days; its end is not reported here.",
        ),
        "link": (
            "关联你的 Airflow 用户后，请重新发送命令。链接仅供你本人使用一次：\n{url}",
            "Link your Airflow user, then send the command again. Only you can use the link, once:\n{url}",
        ),
        "took": ("，用时 {seconds} 秒", " after {seconds} s"),
    }
)


def format_text(name: str, language: str, **values: str) -> str:
    """Return a text.

    Args:
        name: The key of the text, such as `too_old`.
        language: `zh` or `en`.
        values: The values of the placeholders in the text, by name.
    """
    return _TEXTS[name][language != "zh"].format_map(values)


def format_help(rules: Iterable[CommandRule], language: str) -> str:
    """Return the commands that a person can send in a chat.

    Args:
        rules: The rules that allow the person something there.
        language: `zh` or `en`.
    """
    lines: dict[str, None] = {}
    for rule in rules:
        names = ", ".join(rule.dags) or "DAG"
        if rule.tags:
            names += f" (tag: {', '.join(rule.tags)})"
        for act in ("run", "status", "runs"):
            if act in rule.acts:
                arguments = "".join(f" [{name}]" for name in rule.arguments) if act == "run" else ""
                lines[f"/{act} {names}{arguments}"] = None
    return "\n".join([format_text("help", language), *lines]) if lines else format_text("nothing", language)


def format_end(state: str, dag_id: str, run: Mapping[str, Any], language: str) -> str:
    """Return the message about the end of a run.

    Args:
        state: `success`, `failed`, `deleted` or `unwatched`.
        dag_id: The DAG.
        run: As Airflow's REST API shows it; empty if it is gone.
        language: `zh` or `en`.
    """
    began, ended = run.get("start_date"), run.get("end_date")
    took = ""
    if began and ended:
        seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
        took = format_text("took", language, seconds=f"{seconds:.0f}")
    return format_text(state, language, dag=dag_id, took=took)


def defuse_mentions(text: str) -> str:
    """Return a text that mentions nobody: what people typed is part of it, and `<at …>` is a mention.

    Args:
        text: The text.
    """
    return text.replace("<", "\N{FULLWIDTH LESS-THAN SIGN}")
