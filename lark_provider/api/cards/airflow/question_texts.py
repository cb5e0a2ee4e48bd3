"""The texts of cards of Airflow's questions, in Chinese and in English."""

from __future__ import annotations

from lark_provider.api.cards.airflow.texts import make_translator

_TEXTS: dict[str, tuple[str, str]] = {
    "question": ("待回答的问题", "Question"),
    "assigned": ("可回答", "Assigned to"),
    "more": ("等 {count} 人", "and {count} more"),
    "run": ("运行", "Run"),
    "try": ("第 {number} 次尝试", "try {number}"),
    "until": ("⏰ 截止 {when}", "⏰ Until {when}"),
    "then": ("逾期无人回答则采用默认：{options}", "if nobody answers by then: {options}"),
    "then_fails": ("逾期无人回答则任务失败", "if nobody answers by then, the task fails"),
    "options": ("选项", "Options"),
    "choose": ("请选择", "Choose"),
    "choose_many": ("请选择一项或多项", "Choose one or more"),
    "submit": ("提交", "Submit"),
    "open": ("在 Airflow 中打开", "Open in Airflow"),
    "answer_there": ("在 Airflow 中回答", "Answer in Airflow"),
    "too_large": (
        "此问题的表单或选项放不进一张卡片，请在 Airflow 中回答。",
        "The form or the options of this question do not fit on a card. Answer it in Airflow.",
    ),
    "secret": (
        "此问题需要输入密码；密码不应留在聊天中，请在 Airflow 中回答。",
        "This question asks for a password, which must not stay in a chat. Answer it in Airflow.",
    ),
    "shortened": ("…… 内容过长，全文请见 Airflow", "… shortened; Airflow shows the whole text"),
    "default": ("留空则为：{value}", "Left empty: {value}"),
    "default_long": ("留空则采用默认值（{count} 个字符）", "Left empty: the default ({count} characters)"),
    "examples": ("例如：{value}", "E.g. {value}"),
    "yes": ("是", "Yes"),
    "no": ("否", "No"),
    "a_line_each": ("每行一项", "one per line"),
    "json": ("JSON 格式", "as JSON"),
    "between": ("{low} 到 {high}", "{low} to {high}"),
    "at_least": ("不小于 {low}", "at least {low}"),
    "at_most": ("不大于 {high}", "at most {high}"),
    "invalid": (
        "{who} 回答未提交，请更正后再次提交：",
        "{who} The answer was not sent. Correct it, and send it again:",
    ),
    "refused": ("{who} 回答未被接受：{why}", "{who} The answer was not accepted: {why}"),
    "answered": ("已回答", "Answered"),
    "defaulted": ("⌛ 已采用默认", "The default counts"),
    "nobody": ("没有人按时回答。", "Nobody answered in time."),
    "failed": ("❌ 任务失败", "The task failed"),
    "mismatch": (
        "回答之后，Airflow 报告任务状态不一致（state mismatch），任务已失败。",
        "After the answer, Airflow reported a state mismatch, and the task failed.",
    ),
    "state": ("Airflow 中的状态：{state}", "State in Airflow: {state}"),
    "asked_again": (
        "任务已重新开始，再次提出此问题。之前的答复已不再生效。",
        "The task has started again and asks once more. An earlier answer does not count any more.",
    ),
    "sent_again": (
        "此问题已用新卡片重新发送，因为 Lark 卡片只能使用 14 天。",
        "The question was sent again on a new card, since cards take clicks for 14 days only.",
    ),
    "ask_again": ("再次提问", "Ask again"),
    "ask_again_step": (
        "点击「再次提问」会清除该任务，使其重新提问。",
        "*Ask again* clears the task, so that it asks again.",
    ),
    "clear_step": (
        "如需再次提问，请在 Airflow 中清除该任务。",
        "To be asked again, clear the task in Airflow.",
    ),
}

translate = make_translator(_TEXTS)
"""Return a text in a language; see `Translate`."""
