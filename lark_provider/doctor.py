"""The tenant's side: whether Lark lets the app do what is asked of it here. Each fault says the next step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from lark_provider.api import links, scopes
from lark_provider.checks import Check, Found, check
from lark_provider.client import LarkServiceClient
from lark_provider.errors import LarkAPIError
from lark_provider.health import look_at_token_endpoint
from lark_provider.protocol.calls import path

_SECONDS = 10.0
_PAGE = "100"
_ACTIVE = 2
_NO_BOT = 11205


def examine(
    app_id: str | None = None,
    *,
    tenant_key: str | None = None,
    areas: Collection[str] = tuple(scopes.AREAS),
    bitable: str | None = None,
) -> list[Check]:
    """Ask Lark about an app; nothing is changed there.

    Args:
        app_id: Which app; else the default one.
        tenant_key: In which tenant, if that is a store app.
        areas: What it is used for, of `lark_provider.api.scopes.AREAS`.
        bitable: A base that it should reach: an app_token, or a link as the address bar shows it.

    Returns:
        One check each for `app`, `token`, `bot`, `chats` if they are used, `scopes`, and `bitable` if one is
        named; after `app` and `token` no more if they fail.
    """
    client = LarkServiceClient(app_id, tenant_key=tenant_key, timeout=_SECONDS, max_retries=1)
    looks: dict[str, Callable[[], Found]] = {
        "app": lambda: Found(f"{client.app_id} at {client.base_url}"),
        "token": lambda: look_at_token_endpoint(client.app_id, tenant_key),
        "bot": lambda: _bot(client),
        **({"chats": lambda: _chats(client)} if "chats" in areas else {}),
        "scopes": lambda: _scopes(client, areas),
    }
    if bitable is not None:
        looks["bitable"] = lambda: _bitable(client, bitable)
    checks: list[Check] = []
    for name, look in looks.items():
        checks.append(check(name, look))
        if name in {"app", "token"} and checks[-1].status == "unhealthy":
            break
    return checks


def _bot(client: LarkServiceClient) -> Found:
    try:
        bot = client.bot.info().data["bot"]
    except LarkAPIError as error:
        if error.code != _NO_BOT:
            raise
        return Found(
            f"The app has no bot, so it can send nothing. Next: {_console(client)} → Features → add Bot, and "
            "publish a version.",
            "unhealthy",
        )
    status = bot.get("activate_status", _ACTIVE)
    if status != _ACTIVE:
        return Found(
            f"The bot is not in use in this tenant (activate_status {status}). Next: enable the app in the "
            "tenant's admin console.",
            "unhealthy",
        )
    return Found(f"{bot.get('app_name', '')} ({bot.get('open_id', '')})")


def _chats(client: LarkServiceClient) -> Found:
    found = tuple(f"{chat['chat_id']}  {chat.get('name', '')}" for chat in _pages(client, "/im/v1/chats"))
    if not found:
        return Found(
            "The bot is in no chat. Next: in a chat, open settings → bots → add, to let it write there.",
            "warning",
        )
    return Found(f"the bot is in {len(found)} chat(s)", details=found)


def _scopes(client: LarkServiceClient, areas: Collection[str]) -> Found:
    having = scopes.granted(client.call("GET", "/application/v6/scopes").data)
    lacking = {area: scopes.missing(area, having) for area in areas}
    short = [area for area, missing in lacking.items() if missing]
    if not short:
        return Found(f"enough for {', '.join(areas)}")
    wanted = list(dict.fromkeys(scope for missing in lacking.values() for scope in missing))
    return Found(
        f"not enough for {', '.join(short)}. Next: {_console(client)} → Permissions & Scopes → Batch import, "
        "paste the following, and publish a version.",
        "unhealthy",
        (scopes.to_import(wanted),),
    )


def _bitable(client: LarkServiceClient, token_or_url: str) -> Found:
    link = client.perform(links.document(token_or_url, "bitable"))
    where = path("/bitable/v1/apps/{app_token}", app_token=link.token)
    base = client.call("GET", where).data["app"]
    tables = {table["table_id"]: table.get("name", "") for table in _pages(client, f"{where}/tables")}
    details = tuple(f"{table_id}  {name}" for table_id, name in tables.items())
    if link.table_id is not None and link.table_id not in tables:
        return Found(
            f"Base {base['name']!r} has no table {link.table_id}. Next: take one of these, or a newer link.",
            "unhealthy",
            details,
        )
    return Found(f"{base['name']!r} ({link.token}) can be read; its {len(tables)} table(s):", details=details)


def _pages(client: LarkServiceClient, where: str) -> Iterator[dict[str, Any]]:
    token: str | None = None
    while True:
        params = {"page_size": _PAGE, **({} if token is None else {"page_token": token})}
        data = client.call("GET", where, params=params).data
        yield from data.get("items") or ()
        if not data.get("has_more"):
            return
        token = data["page_token"]


def _console(client: LarkServiceClient) -> str:
    return f"{client.base_url}/app/{client.app_id}"
