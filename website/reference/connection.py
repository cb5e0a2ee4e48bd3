"""Fields of the Airflow connections, from what the provider declares."""

from __future__ import annotations

import json
from typing import Any

from lark_provider.get_provider_info import get_provider_info
from website.layout import Language, SiteError
from website.reference import writing

_TEXTS = {
    "en": (
        "Connections and Airflow options",
        "What can be entered in Airflow's form, or written as JSON in `AIRFLOW_CONN_…`. Fields with a name of their own "
        "belong into `extra`.",
        ("Field", "In the form", "Meaning"),
        "Options of `[lark]` in `airflow.cfg`",
        "As an environment variable: `AIRFLOW__LARK__…`, in capitals.",
        ("Option", "Type", "Default", "Meaning"),
    ),
    "zh": (
        "连接字段与 Airflow 选项",
        "既可以在 Airflow 的连接表单里填写，也可以写成 JSON 放进 `AIRFLOW_CONN_…`。有自己名字的字段属于 `extra`。",
        ("字段", "表单里的名称", "含义"),
        "`airflow.cfg` 里 `[lark]` 的选项",
        "也可以用环境变量：`AIRFLOW__LARK__…`，全部大写。",
        ("选项", "类型", "默认值", "含义"),
    ),
}
_HINTS = {
    "from the app's page Credentials & Basic Info": "见应用的“凭证与基础信息”页面",
    "443; without one, the list's Test button answers Bad Request": "443；不填时，连接列表里的 Test 按钮返回 Bad Request",
    "feishu (default), lark, or https://open.lark.example.com": "feishu（默认）、lark，或 https://open.lark.example.com",
    "only if the password is not a whole URL: feishu, lark, or a URL": (
        "仅当 password 不是完整 URL 时填写：feishu、lark 或 URL"
    ),
}
"""Placeholders of the form that are sentences."""
_CHINESE = {
    "lark.proxy": "HTTP 代理的地址，如 `http://user:password@proxy.example.com:3128`。",
    "lark.verify": "`true`、`false`，或私有证书机构的证书文件路径。",
    "lark.receivers": '给 id 起的名字：`{"oncall": "oc_…", "boss": "boss@example.com"}`。',
    "lark.redirect_all_to": "测试用：所有消息改发给谁，如 `oc_…`、`tester@example.com`，或 receivers 里的名字。",
    "lark.registry_app": "密钥在注册表里（`lark-provider app add`）；App secret 留空。",
    "lark.owners": (
        '`mentions="owner"` 时 @ 谁：`{"alice": "alice@example.com", "data-team": ["ou_…", "ou_…"]}`。'
    ),
    "lark.web_domain": "平台地址不是 `https://open.feishu.cn` 这种形式时，Airflow 里跳转到群和表格的链接所用的域名。",
    "lark_webhook.sign_secret": "机器人开启了签名校验时填写。",
    "lark_webhook.owners": '`mentions="owner"` 时 @ 谁：`{"alice": "ou_…", "data-team": ["ou_…", "user_id"]}`。',
    "lark_webhook.keyword": "机器人设置了关键词时填写，如 Airflow：不含它的消息不会发送。",
    "lark_webhook.proxy": "HTTP 代理的地址，如 `http://user:password@proxy.example.com:3128`。",
    "lark_webhook.verify": "`true`、`false`，或私有证书机构的证书文件路径。",
    "failure_listener": "任务最终失败时，是否由它自己的进程立即通知并附上堆栈；不需要改 DAG。`LARK_FAILURE_LISTENER` 优先。",
    "failure_receiver": "通知谁：id、邮箱，或连接的 receivers 里的名字，用逗号分隔。不设则按 `LARK_ROUTES_PATH` 的路由。",
    "failure_conn_id": "用哪个连接来通知。",
    "failure_language": "发给 failure_receiver 的卡片的语言：zh 或 en。",
    "database_url": (
        "存放 token 的 PostgreSQL，所有 worker 只取一次 token；不是 Airflow 自己的库。优先于 `POSTGRES_*` 和 `LARK_DATABASE_URL`。"
    ),
    "database_conn_id": "指向该数据库的 postgres 类型连接，代替 URL。",
    "answer_hold": (
        "任务开始等待答复后，先把答复暂缓多少秒，以免让任务失败；0 到 300。用于 API server；`LARK_ANSWER_HOLD` 优先于它，"
        "它优先于 lark.yaml 的 hold。"
    ),
    "bridge": (
        "是否由 `lark-provider airflow bridge` 在飞书里提出人工审批任务的问题；此时这些任务的 LarkNotifier 不再发送。"
        "优先于 `LARK_BRIDGE`。"
    ),
    "rabbitmq_url": "回调网关写入的 RabbitMQ。优先于 `RABBITMQ_*`。",
}


def make_page(language: Language) -> str:
    """Return the page of connections.

    Raises:
        SiteError: A field or an option has no Chinese.
    """
    title, intro, heads, options_title, options_intro, option_heads = _TEXTS[language.code]
    info: dict[str, Any] = get_provider_info()
    options = info["config"]["lark"]["options"]
    return writing.join_parts(
        f"# {title}",
        intro,
        *(
            f"## {connection['hook-name']} (`{connection['connection-type']}`)\n\n"
            + writing.table(heads, _list_fields(language, connection))
            for connection in info["connection-types"]
        ),
        f"## {options_title}",
        options_intro,
        writing.table(
            option_heads,
            [
                (
                    f"`{name}`",
                    option["type"],
                    "" if option["default"] is None else f"`{option['default']}`",
                    _translate(language, name, option["description"]),
                )
                for name, option in options.items()
            ],
        ),
    )


def _list_fields(language: Language, connection: dict[str, Any]) -> list[tuple[str, str, str]]:
    behaviour = connection["ui-field-behaviour"]
    rows = []
    for name in ("login", "password", "host", "port"):
        if name not in behaviour["hidden-fields"]:
            hint = behaviour["placeholders"].get(name, "")
            hint = _HINTS.get(hint, hint) if language.code == "zh" else hint
            rows.append((f"`{name}`", behaviour["relabeling"].get(name, name.capitalize()), hint))
    for name, field in connection["conn-fields"].items():
        meaning = _translate(language, f"{connection['connection-type']}.{name}", field["description"])
        default = field["schema"].get("default")
        if default is not None:
            said = "默认值：" if language.code == "zh" else " Default: "
            meaning += f"{said}`{json.dumps(default).strip(chr(34))}`"
        rows.append((f"`{name}`", field["label"], meaning))
    return rows


def _translate(language: Language, name: str, english: str) -> str:
    if name not in _CHINESE:
        raise SiteError(f"No Chinese for {name}. Next: add it to website/reference/connection.py.")
    return _CHINESE[name] if language.code == "zh" else english
