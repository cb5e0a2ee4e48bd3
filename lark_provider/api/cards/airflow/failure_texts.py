"""The texts of the default notifications, in Chinese and in English."""

from __future__ import annotations

from lark_provider.api.cards.airflow.texts import make_translator
from lark_provider.protocol.language import Language

TEXTS: dict[str, tuple[str, str]] = {
    "failure": ("任务失败", "Task failed"),
    "retry": ("任务将重试", "Task will be retried"),
    "success": ("任务成功", "Task succeeded"),
    "dag_failure": ("DAG 运行失败", "DAG run failed"),
    "dag_success": ("DAG 运行成功", "DAG run succeeded"),
    "deadline": ("未按时完成", "Deadline missed"),
    "notice": ("任务通知", "About a task"),
    "recovered": ("已恢复", "Recovered"),
    "partly": ("部分恢复", "Partly recovered"),
    "dag": ("DAG", "DAG"),
    "task": ("任务", "Task"),
    "last_task": ("最后的任务", "Last task"),
    "run": ("运行", "Run"),
    "owner": ("负责人", "Owner"),
    "try": ("尝试", "Try"),
    "try_of": ("第 {number} 次，共 {of} 次", "{number} of {of}"),
    "try_plain": ("第 {number} 次", "{number}"),
    "state": ("状态", "State"),
    "reason": ("原因", "Reason"),
    "error": ("错误", "Error"),
    "due": ("期限", "Due"),
    "failed_tasks": ("失败的任务", "Failed tasks"),
    "times": ("{count} 次失败", "{count} failures"),
    "more": ("…… 另有 {count} 个", "… and {count} more"),
    "left_out": ("…… 省略 {{lines}} 行 ……", "… {{lines}} lines left out …"),
    "answer": ("在 Airflow 中回答", "Answer in Airflow"),
    "log": ("查看日志", "Log"),
    "open_run": ("查看运行", "DAG run"),
    "killed": ("进程被终止（{signal}），可能是内存不足", "process killed ({signal}), possibly out of memory"),
    "signalled": ("进程被信号 {signal} 终止", "process ended by {signal}"),
    "no_callback": (
        "任务没有发出通知：进程可能被终止（SIGKILL、内存不足）",
        "no callback from the task: its process was probably killed (SIGKILL, out of memory)",
    ),
    "retry_now": ("重试", "Retry"),
    "claim": ("认领", "Claim"),
    "mute": ("静默任务", "Mute this task"),
    "mute_1": ("1 小时", "1 hour"),
    "mute_8": ("8 小时", "8 hours"),
    "mute_24": ("24 小时", "24 hours"),
    "mute_168": ("7 天", "7 days"),
    "claimed": ("{name} 于 {at} 认领", "Claimed by {name} at {at}"),
    "muted": ("任务 {task} 已被 {name} 静默至 {until}", "Task {task} muted by {name} until {until}"),
    "retried": ("{name} 于 {at}：{text}", "{name} at {at}: {text}"),
    "urged_app": ("应用内加急", "urgent message in the app"),
    "urged_sms": ("短信加急", "SMS"),
    "urged_phone": ("电话加急", "phone call"),
    "urged_done": ("无人认领，已通知 {name}：{how}", "Nobody has claimed it: {how} to {name}"),
    "urged_failed": ("未能通知 {name}（{how}）：{detail}", "{how} to {name} failed: {detail}"),
    "urged_unknown": (
        "不确定是否已通知 {name}（{how}）：结果丢失，不会重复",
        "{how} to {name}: outcome unknown, and not repeated",
    ),
    "urged_skipped": ("{how}：太迟，已跳过", "{how}: skipped, since a later step was due"),
    "urged_no_card": ("卡片没有发出", "the card was not sent"),
    "urged_nobody": ("没有人值班", "nobody is on duty"),
    "urged_not_member": (
        "此人不在群里，或应用对其不可用",
        "not in this chat, or out of the app's availability",
    ),
    "urged_quota": ("加急额度已用完", "the tenant's quota is used up"),
    "urged_unread": ("此人的未读加急消息过多", "too many unread urgent messages"),
    "urged_forbidden": ("群设置不允许机器人加急", "the group does not let the bot do this"),
    "urged_scope": ("应用缺少加急权限", "the app lacks the scope"),
    "task_failure": ("有任务失败", "a task failed"),
    "all_tasks_deadlocked": ("任务互相等待，无法继续", "all tasks are deadlocked"),
    "timed_out": ("运行超时", "the run timed out"),
    "no_failed_task": (
        "没有任务失败：运行超时、无法继续或被标记为失败",
        "no task failed: the run timed out, could not go on, or was marked as failed",
    ),
}

translate = make_translator(TEXTS)
"""Return a text in a language; see `Translate`."""


def translate_reason(language: Language, word: str) -> str:
    """Return Airflow's word for why a run ended, translated if it is a known one."""
    return translate(language, word) if word in TEXTS else word
