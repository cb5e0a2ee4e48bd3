"""Find in the syntax tree of a Python file what this package has an operator for."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_WEBHOOK = "/open-apis/bot/v2/hook/"
_API = "/open-apis/"
_SLACK = "airflow.providers.slack."
_SDK = "lark_oapi"
_WRITES = ("post", "put", "patch", "delete", "request")
_REQUESTS = {f"{library}.{verb}" for library in ("requests", "httpx") for verb in ("get", *_WRITES)} | {
    "urllib.request.Request"
}
_BOT = (
    "LarkWebhookOperator, or LarkWebhookNotifier in a callback; the address goes into a connection of type "
    "lark_webhook, since it is a secret"
)
_SEND = "LarkSendMessageOperator(receiver_id=…, content=…): a retry sends nothing twice"
_INSERT = "LarkBitableBulkInsertOperator(table=…, records=…): any number of rows, each written once"
_CHANGE = "LarkBitableSyncOperator(table=…, records=…, key_fields=…): only what differs is written"
_READ = "LarkBitableSearchOperator, or LarkBitableToSqlOperator for all rows"
_TOKEN = "nothing: tokens are fetched, shared and renewed by the client"  # noqa: S105 - a text
_CLIENT = "nothing: LarkHook() has a client with the connection's app"
_ANY = "LarkHook().client.call(method, path): any endpoint, with tokens, retries and typed errors"

SDK_CALLS: Mapping[str, str] = {
    "im.v1.message.create": _SEND,
    "im.v1.message.reply": "LarkSendMessageOperator(reply_to=…, content=…)",
    "im.v1.message.patch": "LarkUpdateMessageOperator(message_id=…, content=…)",
    "im.v1.message.update": "LarkUpdateMessageOperator(message_id=…, content=…)",
    "im.v1.image.create": "LarkSendFileOperator(receiver_id=…, file=…): uploads and sends",
    "im.v1.file.create": "LarkSendFileOperator(receiver_id=…, file=…): uploads and sends",
    "bitable.v1.app_table_record.create": _INSERT,
    "bitable.v1.app_table_record.batch_create": _INSERT,
    "bitable.v1.app_table_record.update": _CHANGE,
    "bitable.v1.app_table_record.batch_update": _CHANGE,
    "bitable.v1.app_table_record.list": _READ,
    "bitable.v1.app_table_record.search": _READ,
    "approval.v4.instance.create": "LarkNativeApprovalOperator(approval_code=…, form=…): starts it and waits",
    "contact.v3.user.batch_get_id": "nothing: a receiver may be an e-mail address or a mobile number",
    "auth.v3.tenant_access_token.internal": _TOKEN,
}
"""The last attributes of a call of the official SDK, and what it becomes."""

PATHS: tuple[tuple[str, str], ...] = (
    (_WEBHOOK, _BOT),
    ("/auth/v3/", _TOKEN),
    ("/im/v1/images", SDK_CALLS["im.v1.image.create"]),
    ("/im/v1/files", SDK_CALLS["im.v1.file.create"]),
    ("/reply", SDK_CALLS["im.v1.message.reply"]),
    ("/im/v1/messages", _SEND),
    ("/records/batch_create", _INSERT),
    ("/records/batch_update", _CHANGE),
    ("/approval/v4/instances", SDK_CALLS["approval.v4.instance.create"]),
)
"""Parts of an address, the most special first, and what a request to it becomes."""

SLACK: Mapping[str, str] = {
    "SlackAPIPostOperator": "LarkSendMessageOperator: channel → receiver_id, text → content, slack_conn_id → "
    "lark_conn_id; blocks → content, as a card with msg_type='interactive'",
    "SlackAPIFileOperator": "LarkSendFileOperator: channels → receiver_id, filename → file",
    "SlackWebhookOperator": "LarkWebhookOperator: message → content, slack_webhook_conn_id → "
    "lark_webhook_conn_id",
    "SlackNotifier": "LarkNotifier: channel → receiver_id, slack_conn_id → lark_conn_id; without content it "
    "sends a card with exception and links, one for each run",
    "send_slack_notification": "LarkNotifier: channel → receiver_id, slack_conn_id → lark_conn_id",
    "SlackWebhookNotifier": "LarkWebhookNotifier: slack_webhook_conn_id → lark_webhook_conn_id",
    "send_slack_webhook_notification": "LarkWebhookNotifier: slack_webhook_conn_id → lark_webhook_conn_id",
    "SlackHook": "LarkHook().client",
    "SlackWebhookHook": "LarkWebhookHook().client",
    "SqlToSlackWebhookOperator": "SqlToLarkMessageOperator: slack_message → text",
    "SqlToSlackApiFileOperator": "LarkReportOperator: a typed spreadsheet, shared with who gets its card",
}
"""Names of Airflow's provider for Slack, and what each becomes."""


@dataclass(frozen=True, slots=True, order=True)
class CallSite:
    """A place that can be migrated.

    Attributes:
        line: Its line, from 1.
        call: What is called there.
        becomes: What it becomes.
    """

    line: int
    call: str
    becomes: str


def scan(source: str) -> list[CallSite]:
    """Return the places of a Python file that can be migrated, by their lines; nothing of it is run.

    Args:
        source: The text of the Python file.

    Raises:
        SyntaxError: It is not Python of this version.
    """
    with warnings.catch_warnings(action="ignore"):  # The file's own, such as of an invalid escape.
        tree = ast.parse(source)
    names = _Names(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    sites = {site for call in calls for site in _find_sites(call, names)}
    addresses = [address for call in calls for address in [_find_address(call, names)] if address]
    # An address that is not seen to be asked, such as one that is passed to a function of the file's own.
    sites |= {
        CallSite(node.lineno, "the address of a custom bot", _BOT)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WEBHOOK in node.value
        if not any(node.value in address for address in addresses)
    }
    return sorted(sites)


class _Names:
    """What the names of a file refer to: imported things by their full names, and texts."""

    def __init__(self, tree: ast.AST) -> None:
        self._imported: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._imported[alias.asname or name] = name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self._imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Assign) and (text := self.read_text(node.value)):
                self._texts |= {target.id: text for target in node.targets if isinstance(target, ast.Name)}
        self.has_sdk = any(imported.partition(".")[0] == _SDK for imported in self._imported.values())

    def resolve_full_name(self, node: ast.expr) -> str:
        """Return the full name of a name, an attribute or a call (with `()`); else one without a root."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        root = ""
        if isinstance(node, ast.Name):
            root = self._imported.get(node.id, node.id)
        elif isinstance(node, ast.Call):
            root = f"{self.resolve_full_name(node.func)}()"
        return ".".join([root, *reversed(parts)])

    def read_text(self, node: ast.expr) -> str:
        """Return the text of an expression, as far as the file contains it, with `{}` for inserted values."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.Name):
            return self._texts.get(node.id, "")
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.FormattedValue) else part for part in node.values)
            return "".join(self.read_text(part) or "{}" for part in parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            return self.read_text(node.left) + self.read_text(node.right)
        if isinstance(node, ast.Call):  # os.environ.get("BOT", "https://…"), "https://…/{}".format(token)
            inner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            values = [inner, *node.args, *(keyword.value for keyword in node.keywords)]
            return next((text for text in map(self.read_text, values) if _API in text), "")
        return ""


def _find_sites(call: ast.Call, names: _Names) -> Iterator[CallSite]:
    full = names.resolve_full_name(call.func)
    module, _, last = full.rpartition(".")
    if module.startswith(_SLACK) and last in SLACK:
        yield CallSite(call.lineno, last, SLACK[last])
    elif names.has_sdk and (sdk_call := _find_sdk_call(full)):
        yield CallSite(call.lineno, *sdk_call)
    else:
        yield from _find_requests(call, names)


def _find_sdk_call(full: str) -> tuple[str, str] | None:
    """Return what a call of the official SDK is, and what it becomes; None if it is none."""
    parts = full.split(".")
    if full == f"{_SDK}.Client.builder":
        return full, _CLIENT
    versions = [place for place, part in enumerate(parts) if part[:1] == "v" and part[1:].isdigit()]
    if (parts[0] == _SDK and "build()" not in parts) or not versions or not 0 < versions[0] < len(parts) - 2:
        return None  # builders of requests occur along with the calls that use them
    *path, verb = parts[versions[0] - 1 :]
    known = SDK_CALLS.get(".".join([*path, verb])) or SDK_CALLS.get(".".join([*path, verb.removeprefix("a")]))
    return ".".join([*path, verb]), known or _ANY


def _find_requests(call: ast.Call, names: _Names) -> Iterator[CallSite]:
    """Yield a request to Lark, or one with a body as Lark takes it."""
    full = names.resolve_full_name(call.func)
    if address := _find_address(call, names):
        path = address[address.index(_API) :].partition("?")[0]
        becomes = next((what for part, what in PATHS if part in path), _ANY)
        shown = _WEBHOOK + "…" if _WEBHOOK in path else path  # The rest of a bot's address is a secret.
        yield CallSite(call.lineno, f"{full} to {shown}", becomes)
    elif full in _REQUESTS and any(map(_is_message, _list_values(call))):
        yield CallSite(call.lineno, f"{full} with a message of Lark's", _BOT)


def _find_address(call: ast.Call, names: _Names) -> str:
    """Return the URL at Lark that a call requests, as far as the file contains it; empty without one."""
    root, _, verb = names.resolve_full_name(call.func).rpartition(".")
    if f"{root}.{verb}" in _REQUESTS or (root and verb in _WRITES):  # session.post(…), too
        return next((text for text in map(names.read_text, _list_values(call)) if _API in text), "")
    return ""


def _list_values(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _is_message(node: ast.expr) -> bool:
    keys = (
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        if isinstance(node, ast.Dict)
        else ()
    )
    return "msg_type" in keys and bool({"content", "card"}.intersection(keys))
