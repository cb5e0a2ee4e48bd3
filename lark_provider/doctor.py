"""Check the tenant's side: whether Lark permits what the app needs. Each failure has a next step."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lark_provider.api import links, scopes
from lark_provider.checks import Check, CheckOutcome, check
from lark_provider.client import LarkServiceClient
from lark_provider.engine import http
from lark_provider.errors import LarkAPIError
from lark_provider.health import check_token_endpoint
from lark_provider.protocol.paging import list_items
from lark_provider.protocol.paths import fill_path

_RECORD_EVENTS = "record_events"
_CALL_SECONDS = 10.0
_ACTIVE = 2
_NO_BOT = 11205
_NO_SCOPE = 99991672


def examine(
    app_id: str | None = None,
    *,
    tenant_key: str | None = None,
    areas: Collection[str] = scopes.USUAL,
    bitable: str | None = None,
) -> list[Check]:
    """Check an app with requests that change nothing.

    Args:
        app_id: The app; the default one if None.
        tenant_key: The tenant, if it is a store app.
        areas: What the app is used for: areas of `lark_provider.api.scopes.AREAS`.
        bitable: A base that it should reach: an app_token, or a link as the address bar shows it.

    Returns:
        One check each for `http`, `app`, `token`, `bot`, `chats` if they are in `areas`, `scopes`, `bitable`
        if one is named, and its `record_events` if they are in `areas` and not all areas are. If `app` or
        `token` fails, that check is the last one.
    """
    client = LarkServiceClient(app_id, tenant_key=tenant_key, timeout=_CALL_SECONDS, max_retries=1)
    to_run: dict[str, Callable[[], CheckOutcome]] = {
        "http": lambda: CheckOutcome(f"{http.choose_library().__name__} {http.choose_library().__version__}"),
        "app": lambda: CheckOutcome(f"{client.app_id} at {client.base_url}"),
        "token": lambda: check_token_endpoint(client.app_id, tenant_key),
        "bot": lambda: _check_bot(client),
        **({"chats": lambda: _check_chats(client)} if "chats" in areas else {}),
        "scopes": lambda: _check_scopes(client, areas),
    }
    if bitable is not None:
        to_run["bitable"] = lambda: _check_bitable(client, bitable)
        if _RECORD_EVENTS in areas and set(areas) < set(scopes.AREAS):  # wanted explicitly, not by all areas
            to_run[_RECORD_EVENTS] = lambda: _check_record_events(client, bitable)
    checks: list[Check] = []
    for name, run in to_run.items():
        checks.append(check(name, run))
        if name in {"app", "token"} and checks[-1].status == "unhealthy":
            break
    return checks


def _check_bot(client: LarkServiceClient) -> CheckOutcome:
    try:
        bot = client.bot.info().data["bot"]
    except LarkAPIError as error:
        if error.code != _NO_BOT:
            raise
        return CheckOutcome(
            "The app has no bot, so it can send nothing. Next: open the first link, add Bot, and publish a "
            "version at the second.",
            "unhealthy",
            (_get_console_url(client, "bot"), _get_console_url(client, "version")),
        )
    status = bot.get("activate_status", _ACTIVE)
    if status != _ACTIVE:
        return CheckOutcome(
            f"The bot is not active in this tenant (activate_status {status}). Next: publish a version of "
            "the app; if that is done, enable the app in the tenant's admin console.",
            "unhealthy",
            (_get_console_url(client, "version"),),
        )
    return CheckOutcome(f"{bot.get('app_name', '')} ({bot.get('open_id', '')})")


def _check_chats(client: LarkServiceClient) -> CheckOutcome:
    try:
        chats = client.iterate(list_items(fill_path("/im/v1/chats")))
        details = tuple(f"{chat['chat_id']}  {chat.get('name', '')}" for chat in chats)
    except LarkAPIError as error:
        if error.code != _NO_SCOPE:
            raise
        return CheckOutcome(
            "The chats cannot be listed without a scope. Next: see scopes below.", "unhealthy"
        )
    if not details:
        return CheckOutcome(
            "The bot is in no chat. Next: in a chat, open settings → bots → add, to let it write there.",
            "warning",
        )
    return CheckOutcome(f"the bot is in {len(details)} chat(s)", details=details)


def _check_scopes(client: LarkServiceClient, areas: Collection[str]) -> CheckOutcome:
    answer = client.call("GET", "/application/v6/scopes").data
    lacking = {area: scopes.list_missing(area, scopes.read_granted_scopes(answer)) for area in areas}
    short = [area for area, missing in lacking.items() if missing]
    if not short:
        return CheckOutcome(f"enough for {', '.join(areas)}")
    wanted = list(dict.fromkeys(scope for missing in lacking.values() for scope in missing))
    publish = _get_console_url(client, "version")
    if not set(wanted) - scopes.read_pending_scopes(answer):
        return CheckOutcome(
            f"not enough for {', '.join(short)}: {', '.join(wanted)} applied for and not granted. Next: "
            "publish a version, and let an administrator of the tenant approve it.",
            "unhealthy",
            (publish,),
        )
    return CheckOutcome(
        f"not enough for {', '.join(short)}. Next: {_get_console_url(client, 'auth')} → Batch import, paste "
        "the first line below, or open the second, which asks for the same; then publish a version at "
        "the third.",
        "unhealthy",
        (scopes.to_import(wanted), scopes.to_confirm(_get_console_url(client, "auth"), wanted), publish),
    )


def _check_bitable(client: LarkServiceClient, token_or_url: str) -> CheckOutcome:
    link = client.perform(links.find_document(token_or_url, "bitable"))
    where = fill_path("/bitable/v1/apps/{app_token}", app_token=link.token)
    base = client.call("GET", where).data["app"]
    listed = client.iterate(
        list_items(fill_path("/bitable/v1/apps/{app_token}/tables", app_token=link.token))
    )
    tables = {table["table_id"]: table.get("name", "") for table in listed}
    details = tuple(f"{table_id}  {name}" for table_id, name in tables.items())
    if link.table_id is not None and link.table_id not in tables:
        return CheckOutcome(
            f"Base {base['name']!r} has no table {link.table_id}. Next: take one of these, or a newer link.",
            "unhealthy",
            details,
        )
    return CheckOutcome(
        f"{base['name']!r} ({link.token}) can be read; its {len(tables)} table(s):", details=details
    )


def _check_record_events(client: LarkServiceClient, token_or_url: str) -> CheckOutcome:
    """Check that the app can receive the base's events, which Lark refuses unless the app manages it."""
    if not client.clouddoc.drive.is_subscribed(token_or_url, type="bitable"):
        return CheckOutcome(
            "The app manages the base and is not subscribed to its events. Next: let a LarkBaseWatcher run, "
            "or call client.clouddoc.drive.subscribe.",
            "warning",
        )
    having = scopes.read_user_scopes(client.call("GET", "/application/v6/scopes").data)
    if wanted := scopes.list_missing_for_users(_RECORD_EVENTS, having):
        return CheckOutcome(
            "The app is subscribed to the base's events, and lacks their scope for acting as a user, "
            f"without which Lark may send none. Next: {_get_console_url(client, 'auth')} → Batch import, "
            "paste the first line below, and publish a version at the second.",
            "warning",
            (scopes.to_import((), wanted), _get_console_url(client, "version")),
        )
    return CheckOutcome("The app is subscribed to the base's events")


def _get_console_url(client: LarkServiceClient, page: str) -> str:
    """Return the address of a page of the app in the developer console."""
    return f"{client.base_url}/app/{client.app_id}/{page}"
