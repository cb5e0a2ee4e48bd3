"""Limits, rates, time limits and retries: the figures are the code's own."""

from __future__ import annotations

from lark_provider.api import webhook
from lark_provider.api.cards import shapes
from lark_provider.api.cards.text import MAX_CARD_BYTES
from lark_provider.api.clouddoc import bulk, cells, getting, records
from lark_provider.api.messaging import content, files
from lark_provider.api.messaging.urgent import MAX_PEOPLE
from lark_provider.engine.session import DEFAULT_DEADLINE, DEFAULT_TIMEOUT
from lark_provider.protocol import pacing
from lark_provider.protocol.retry import RetryPolicy
from website.layout import Language
from website.reference import writing

_KB, _MB = 1024, 1024 * 1024
_POLICY = RetryPolicy()
_Texts = tuple[str, str]

_SIZES: tuple[tuple[_Texts, str, _Texts], ...] = (
    (
        ("Text message", "文本消息"),
        f"{content.MAX_TEXT_BYTES // _KB} KB",
        ("refused before sending", "发送前拒绝"),
    ),
    (
        ("Post (rich text)", "富文本消息"),
        f"{content.MAX_POST_BYTES // _KB} KB",
        ("refused before sending", "发送前拒绝"),
    ),
    (
        ("Card", "卡片"),
        f"{MAX_CARD_BYTES // _KB} KB",
        (
            "refused before sending; cards of failures and questions leave out what does not fit, and say so",
            "发送前拒绝；失败卡片与提问卡片会省略放不下的内容并写明",
        ),
    ),
    (
        (
            "Elements of a card; tables in it; columns of a table; depth",
            "卡片的组件数、表格数、表格列数、嵌套层数",
        ),
        f"{shapes.MAX_ELEMENTS}; {shapes.MAX_TABLES}; {shapes.MAX_TABLE_COLUMNS}; {shapes.MAX_NESTING}",
        ("refused before sending", "发送前拒绝"),
    ),
    (
        ("Message of a custom bot", "自定义机器人的消息"),
        f"{webhook.MAX_BODY_BYTES // _KB} KB",
        ("refused before sending", "发送前拒绝"),
    ),
    (("Image", "图片"), f"{files.MAX_IMAGE_BYTES // _MB} MB", ("refused before uploading", "上传前拒绝")),
    (
        ("File in a message", "消息里的文件"),
        f"{files.MAX_FILE_BYTES // _MB} MB",
        ("refused before uploading", "上传前拒绝"),
    ),
    (
        ("People of one urgent call", "一次加急的人数"),
        str(MAX_PEOPLE),
        ("refused before sending", "发送前拒绝"),
    ),
    (
        (
            "Records in one request: create and update; delete; get",
            "单次请求的记录数：新增与更新；删除；读取",
        ),
        f"1,000; {bulk.MAX_DELETED}; {getting.MAX_GET}",
        ("bulk operations send chunks; get reads in parts", "批量操作自动分块；读取自动分批"),
    ),
    (
        ("Records of a page", "每页记录数"),
        str(records.MAX_PAGE),
        ("listings turn pages by themselves", "列表自动翻页"),
    ),
    (
        ("Characters of a cell of Bitable", "多维表格单元格的字符数"),
        f"{cells.MAX_CELL_CHARS:,}",
        ("the row is rejected before sending", "发送前拒绝该行"),
    ),
)
"""What, in both languages; the limit; and how it is kept."""

_ENDPOINTS = (
    "POST /open-apis/im/v1/messages",
    "POST /open-apis/bitable/v1/apps/APP/tables/TABLE/records/batch_create",
    "POST /open-apis/bitable/v1/apps/APP/tables/TABLE/records/search",
    "POST /open-apis/bitable/v1/apps/APP/tables/TABLE/fields",
    "PUT /open-apis/sheets/v2/spreadsheets/TOKEN/values",
    "POST /open-apis/sheets/v3/spreadsheets",
    "GET /open-apis/drive/v1/files",
    "POST /open-apis/drive/v1/files/create_folder",
    "POST /open-apis/drive/v1/permissions/TOKEN/members",
    "POST /open-apis/approval/v4/instances",
    "POST /open-apis/contact/v3/users/batch_get_id",
    "GET /open-apis/wiki/v2/spaces/get_node",
)

_TIMES: tuple[tuple[_Texts, str, _Texts], ...] = (
    (
        ("`timeout` of a client", "客户端的 `timeout`"),
        f"{DEFAULT_TIMEOUT:g} s",
        ("connecting, writing, reading, each", "连接、写、读，分别计时"),
    ),
    (
        ("`deadline` of a client", "客户端的 `deadline`"),
        f"{DEFAULT_DEADLINE:g} s",
        (
            "one call in all: token, waits, attempts and answer. Bulk operations and listings have it for each call",
            "一次调用的总时限：token、等待、重试和响应都算在内。批量操作与列表按每次调用计",
        ),
    ),
    (
        ("Attempts after the first", "首次之后的重试次数"),
        str(_POLICY.max_retries),
        ("`max_retries`; only where a repeat does no harm", "`max_retries`；仅在重复无害时重试"),
    ),
    (
        ("Waits of one call in all", "一次调用等待的总时长"),
        f"{_POLICY.max_wait:g} s",
        ("then the last error is raised", "超过后抛出最后一个错误"),
    ),
    (
        ("Wait before a retry", "重试前的等待"),
        f"{_POLICY.base:g} s × 2ⁿ, ≤ {_POLICY.cap:g} s",
        (
            "with full jitter; never shorter than Lark asks for",
            "全抖动（full jitter）；不会短于飞书要求的时间",
        ),
    ),
)

_TEXTS = {
    "en": (
        "Limits, rates, time limits, retries",
        "What Lark limits, and what this package does about it. The figures on this page are read from the code.",
        "Sizes",
        ("What", "Limit", "How it is kept"),
        "Rates",
        f"Requests are spread so that an app uses at most {pacing.SHARE:.0%} of what Lark documents (`LARK_PACING`); "
        "processes that share a database share the rate. If Lark still answers that there were too many, the call waits as "
        "long as Lark asks and is repeated. To one person or group "
        f"{pacing.MESSAGES_TO_ONE.requests} messages a second may go.",
        ("Endpoint", "Documented rate"),
        "Time limits and retries",
        ("What", "Default", "Meaning"),
        "A write is repeated only if Lark recognizes the repeat by its idempotency key, or if Lark said that nothing was "
        "done. Otherwise a lost answer raises `OutcomeUnknownError`. What waits in the broker is limited, too: "
        "[running the services](../how-to/running.md#limits).",
    ),
    "zh": (
        "限制、频率、超时与重试",
        "飞书限制了什么，本包如何应对。本页数字均取自代码。",
        "大小",
        ("项目", "上限", "如何遵守"),
        "频率",
        f"请求会自动分散，一个应用最多使用飞书文档所列频率的 {pacing.SHARE:.0%}（`LARK_PACING`）；共享数据库的进程共享频率额度。"
        "如果飞书仍返回请求过多，则按飞书要求的时间等待后重试。同一个人或群每秒最多 "
        f"{pacing.MESSAGES_TO_ONE.requests} 条消息。",
        ("接口", "文档所列频率"),
        "超时与重试",
        ("项目", "默认值", "含义"),
        "写操作只有两种情况会重试：飞书能凭幂等键识别重复，或飞书明确表示没有执行。否则响应丢失时抛出 `OutcomeUnknownError`。"
        "消息队列里等待的数量也有上限，见[运行服务](../how-to/running.md)。",
    ),
}


def make_page(language: Language) -> str:
    """Return the page of limits."""
    title, intro, sizes, heads, rates, paced, rate_heads, times, time_heads, end = _TEXTS[language.code]
    return writing.join_parts(
        f"# {title}",
        intro,
        f"## {sizes}",
        writing.table(heads, _make_rows(language, _SIZES)),
        f"## {rates}",
        paced,
        writing.table(rate_heads, [(f"`{endpoint}`", _rate(endpoint)) for endpoint in _ENDPOINTS]),
        f"## {times}",
        writing.table(time_heads, _make_rows(language, _TIMES)),
        end,
    )


def _make_rows(
    language: Language, rows: tuple[tuple[_Texts, str, _Texts], ...]
) -> list[tuple[str, str, str]]:
    chinese = language.code == "zh"
    return [(what[chinese], limit, how[chinese]) for what, limit, how in rows]


def _rate(endpoint: str) -> str:
    method, path = endpoint.split()
    limits = pacing.list_limits(method, path, share=1.0)
    seconds = [float(limit.key.rpartition(" ")[2]) for limit in limits]
    return ", ".join(
        f"{second / limit.interval:g} / {second:g} s" for limit, second in zip(limits, seconds, strict=True)
    )
