"""Tables of the shared database, from their definitions, with what each is for and how long its rows stay."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from lark_provider.storage import tables
from lark_provider.storage.retention import PREFIX, Retention, list_names
from lark_provider.support import periods
from website.layout import Language, SiteError
from website.reference import writing
from website.reference.chinese_words import COLUMNS
from website.reference.translation import Translation


class _Use(NamedTuple):
    retention: str | None
    """The period of `Retention` after which rows are purged; None if they stay."""
    en: str
    zh: str


_USES = {
    "api_servers": _Use("leases", "Airflow's API servers and what their plugin says about itself.", "Airflow 的 API server 及其插件的自述。"),
    "applications": _Use(None, "The registry of apps, where it is in the shared database.", "应用注册表（放在共享数据库时）。"),
    "applied_clicks": _Use("questions", "Clicks on cards of the bridge, and their outcome.", "bridge 卡片上的点击及其处理结果。"),
    "card_answers": _Use("card_answers", "Decisions of waits of version 0.1.", "0.1 版等待的结果。"),
    "card_callbacks": _Use("card_callbacks", "Clicks on cards, as Lark delivered them.", "卡片点击，按飞书投递的原样保存。"),
    "chat_commands": _Use("commands", "Chat commands and their answers.", "聊天命令及其答复。"),
    "digests": _Use("incidents", "Which digest was recorded on which day.", "哪一天的每日汇总已经落库。"),
    "escalation_steps": _Use("incidents", "Steps of escalations: whom to tell, when, and whether it was done.", "告警升级的各步：何时通知谁、是否已做。"),
    "handled_events": _Use("handled_events", "Events that a consumer has handled, so that a repeat is recognized.", "消费者已处理的事件，用来识别重复投递。"),
    "hitl_cards": _Use("questions", "Cards of Airflow's questions, one for each receiver.", "Airflow 人工审批问题的卡片，每个接收者一张。"),
    "hitl_questions": _Use("questions", "Airflow's questions that the bridge has seen.", "bridge 看到的 Airflow 人工审批问题。"),
    "incidents": _Use("incidents", "Failures of a DAG run and the card that shows them.", "一次 DAG 运行的失败，以及展示它的卡片。"),
    "leases": _Use("leases", "Which process does something that one at a time may do.", "同一时间只能由一个进程做的事，目前由谁在做。"),
    "ledger": _Use("ledger", "Loads and messages with a key: what was done, for a retry.", "带幂等键的写入与消息：已经做了什么，供重试查询。"),
    "ledger_chunks": _Use("ledger", "The chunks of loads.", "批量写入的各个分块。"),
    "link_codes": _Use("leases", "Codes with which a person links an account, as digests.", "关联账号用的验证码（只存摘要）。"),
    "meta": _Use(None, "The database's own id.", "数据库自身的 id。"),
    "mutes": _Use("leases", "Which failures people have muted, until when.", "哪些失败被静默、到什么时候。"),
    "outbox": _Use("outbox", "Notifications that are recorded and not delivered yet.", "已落库、等待送达的通知。"),
    "pacing": _Use("leases", "When the next request may be sent, by limit: processes share Lark's rates.", "各个频控项下一次可以请求的时间：多个进程共享飞书的频率限制。"),
    "people": _Use("people", "Which person in Lark is which user of Airflow.", "飞书用户与 Airflow 用户的对应关系。"),
    "record_cursors": _Use("record_cursors", "How far a watched Bitable table was scanned.", "被监听的多维表格扫描到了哪里。"),
    "seen_records": _Use("record_cursors", "Which changes of a watched table were seen.", "被监听的表已经看到的变更。"),
    "table_leases": _Use("leases", "Which load or sync writes a table at the moment.", "哪个写入或同步任务正在写某张表。"),
    "tokens": _Use("tokens", "Lark's tokens, encrypted, shared by all processes.", "飞书 token，加密保存，所有进程共享。"),
    "user_cache": _Use("user_cache", "People looked up, encrypted, under keyed hashes.", "查询过的用户，加密保存，键为带密钥的哈希。"),
    "waits": _Use("waits", "Questions that tasks ask on cards, and their outcome.", "任务用卡片提出的问题及其结果。"),
}  # fmt: skip
_TEXTS = {
    "en": (
        "Database tables",
        f"Revision {tables.HEAD}. `lark-provider db upgrade` creates the tables, `lark-provider db purge` deletes rows "
        "whose retention is over. Types are PostgreSQL's; all moments are in UTC.",
        ("Table", "For", "Kept for", "Setting"),
        "ever",
        "as the click",
        ("Column", "Type", "Null", "Comment"),
        "yes",
    ),
    "zh": (
        "数据库表",
        f"版本号 {tables.HEAD}。`lark-provider db upgrade` 建表，`lark-provider db purge` 删除超过保留期的行。类型按 PostgreSQL "
        "列出；所有时间均为 UTC。",
        ("表", "用途", "保留期", "配置项"),
        "一直保留",
        "与点击相同",
        ("列", "类型", "可空", "说明"),
        "是",
    ),
}


def make_page(language: Language) -> str:
    """Return the page of tables.

    Raises:
        SiteError: A table or a column is not described here or has no Chinese, or one is that does not exist.
    """
    known = {table.name for table in tables.metadata.sorted_tables}
    if odd := known ^ _USES.keys():
        raise SiteError(
            f"Tables and their uses differ: {sorted(odd)}. Next: change website/reference/tables.py."
        )
    title, intro, heads, ever, as_click, column_heads, yes = _TEXTS[language.code]
    periods_ = Retention()
    if unknown := {use.retention for use in _USES.values()} - {None, *list_names()}:
        raise SiteError(f"No such retention: {unknown}. Next: change website/reference/tables.py.")

    def describe_retention(use: _Use) -> tuple[str, str]:
        if use.retention is None:
            return ever, ""
        period = getattr(periods_, use.retention)
        return (
            as_click if period is None else periods.format_period(period)
        ), f"`{PREFIX}{use.retention.upper()}`"

    shown = sorted(tables.metadata.sorted_tables, key=lambda table: table.name)
    words = Translation("website/reference/chinese_words.py", COLUMNS)
    columns = [
        f"## `{table.name}`\n\n{writing.table(column_heads, _list_columns(table, yes, language, words))}"
        for table in shown
    ]
    words.check()
    return writing.join_parts(
        f"# {title}",
        intro,
        writing.table(
            heads,
            [
                (
                    f"[`{table.name}`](#{table.name})",
                    getattr(_USES[table.name], language.code),
                    *describe_retention(_USES[table.name]),
                )
                for table in shown
            ],
        ),
        *columns,
    )


def _list_columns(
    table: sa.Table, yes: str, language: Language, words: Translation
) -> list[tuple[str, str, str, str]]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return [
        (
            f"`{column.name}`",
            f"`{column.type.compile(dialect)}`" + (" PK" if column.primary_key else ""),
            yes if column.nullable else "",
            words.say(language, column.comment or ""),
        )
        for column in table.columns
    ]
