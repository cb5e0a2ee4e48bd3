"""Whether what this package stands on is there: database, broker, registry, keys, Lark's token endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable

from lark_provider.callbacks import amqp
from lark_provider.checks import Check, Found, check
from lark_provider.core import config, credentials
from lark_provider.core.drivers import drive
from lark_provider.core.serve import serve
from lark_provider.core.session import Session
from lark_provider.core.storage import maintenance, migrate, urls
from lark_provider.core.storage.applications import ApplicationManager
from lark_provider.core.storage.crypto import KEY_VARIABLE
from lark_provider.protocol import tokens
from lark_provider.protocol.retry import RetryPolicy

_LARK_SECONDS = 5.0
_SECONDS = 10.0
"""A database that froze under a connection answers nothing at all."""


def check_all(app_id: str | None = None, *, tenant_key: str | None = None) -> list[Check]:
    """Look at everything that is configured; each look takes a few seconds at most.

    Args:
        app_id: For which app to ask Lark for a token; else the default one, else the registry's first.
        tenant_key: For which tenant, if that is a store app.

    Returns:
        One check each for `database`, `migrations`, `broker`, `registry`, `key` and `token endpoint`.
    """
    database = _check("database", _database)
    return [
        database,
        _check("migrations", _migrations if database.status != "unhealthy" else _not_known),
        _check("broker", _broker),
        _check("registry", _registry),
        _check("key", _key),
        _check("token endpoint", lambda: look_at_token_endpoint(app_id, tenant_key)),
    ]


def check_postgres() -> dict[str, str]:
    """Look at the database, for a health endpoint of your own.

    Returns:
        `{"status": "healthy", "database": "connected"}`, or a status of `unhealthy` or `not configured` with
        an `error` that holds no password.
    """
    return _as_dict(_check("database", _database), "database")


def check_rabbitmq() -> dict[str, str]:
    """Look at the broker as `RABBITMQ_URL` or `RABBITMQ_*` name it, for a health endpoint of your own.

    Returns:
        `{"status": "healthy", "rabbitmq": "connected"}`, or a status of `unhealthy` or `not configured` with
        an `error` that holds no password.
    """
    return _as_dict(_check("broker", _broker), "rabbitmq")


def _check(name: str, look: Callable[[], Found]) -> Check:
    return check(name, look, _SECONDS)


def _as_dict(found: Check, name: str) -> dict[str, str]:
    if found.status == "healthy":
        return {"status": found.status, name: "connected"}
    return {"status": found.status, "error": found.text}


def _database() -> Found:
    if not config.has_database():
        return Found(
            "each process keeps its own tokens; LARK_DATABASE_URL or POSTGRES_* would have them shared",
            "not configured",
        )
    url = urls.database()
    if url.drivername == urls.SQLITE_DRIVER:
        migrate.opened(url)  # which makes it, as its first use does
    return Found(f"{maintenance.connect(url)}, {urls.shown(url)}")


def _migrations() -> Found:
    if not config.has_database():
        return Found("no database", "not configured")
    return Found(f"{maintenance.check_revision(urls.database())} (head)")


def _not_known() -> Found:
    return Found("not known while the database is away. Next: see above.", "unhealthy")


def _broker() -> Found:
    if not amqp.is_configured():
        return Found(
            "card callbacks on several hosts want one; RABBITMQ_URL or RABBITMQ_HOST names it",
            "not configured",
        )
    broker = amqp.broker()
    amqp.ping(broker)
    return Found(str(broker))


def _registry() -> Found:
    url = urls.registry()
    if not config.has_registry():
        return Found(f"{urls.shown(url)} is not there; `lark-provider app add` makes it", "not configured")
    migrate.opened(url)
    maintenance.check_revision(url)
    return Found(urls.shown(url))


def _key() -> Found:
    if not (config.has_registry() or os.environ.get(KEY_VARIABLE, "").strip()):
        return Found(f"{KEY_VARIABLE} is not set; a registry needs it", "not configured")
    manager = ApplicationManager()
    apps = manager.list_applications()
    for app in apps:
        manager.secrets(app.app_id)
    if not apps:
        return Found("can be used; the registry has no apps yet")
    return Found(f"fits the {len(apps)} app(s) of the registry")


def look_at_token_endpoint(app_id: str | None, tenant_key: str | None = None) -> Found:
    """Ask Lark for a token, whatever is kept somewhere.

    Args:
        app_id: For which app; else the default one, else the registry's first.
        tenant_key: For which tenant, if that is a store app.

    Raises:
        LarkError: There is none.
    """
    is_named = config.app(app_id, None, None) is not None or config.named_app(app_id) is not None
    if not is_named and not config.has_registry():
        return Found("no app; LARK_APP_ID and LARK_APP_SECRET or a registry would name one", "not configured")
    if not is_named:
        active = (app.app_id for app in ApplicationManager().list_applications() if app.active)
        app_id = next(active, None)
        if app_id is None:
            return Found("the registry has no active app", "not configured")
    session = Session(
        app_id=app_id, tenant_key=tenant_key, timeout=_LARK_SECONDS, policy=RetryPolicy(max_retries=0)
    )
    app = drive(credentials.find(session), session)
    _, seconds = drive(serve(tokens.fetch(app), session), session)
    tenant = f" in tenant {tenant_key}" if tenant_key else ""
    return Found(f"app {app.app_id}{tenant} at {app.base_url} has a token for {seconds / 60:.0f} min")
