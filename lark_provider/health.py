"""Check what this package depends on: database, broker, registry, keys, Lark's token endpoint."""

from __future__ import annotations

import os
from collections.abc import Callable

from lark_provider import config
from lark_provider.callbacks.broker import amqp
from lark_provider.checks import Check, CheckOutcome, check
from lark_provider.engine import credentials
from lark_provider.engine.drivers.blocking import drive
from lark_provider.engine.session import Session
from lark_provider.protocol import tokens
from lark_provider.protocol.retry import RetryPolicy
from lark_provider.storage import maintenance, migrate, registry, urls
from lark_provider.storage.applications import ApplicationManager
from lark_provider.storage.crypto import KEY_VARIABLE
from lark_provider.storage.people import People, make_unreadable_error

_LARK_SECONDS = 5.0
_CHECK_SECONDS = 10.0
"""The deadline of a check, since a frozen database never answers."""


def check_all(app_id: str | None = None, *, tenant_key: str | None = None) -> list[Check]:
    """Check everything that is configured; each check takes a few seconds at most.

    Args:
        app_id: The app whose token is requested; if None, the default one, else the first of the registry.
        tenant_key: The tenant, if it is a store app.

    Returns:
        One check each for `database`, `migrations`, `broker`, `registry`, `key` and `token endpoint`.
    """
    database = _check("database", _check_database)
    migrations = _check(
        "migrations", _check_migrations if database.status != "unhealthy" else _report_unknown
    )
    return [
        database,
        migrations,
        _check("broker", _check_broker),
        _check("registry", _check_registry),
        _check("key", lambda: _check_key(with_people=migrations.status == "healthy")),
        _check("token endpoint", lambda: check_token_endpoint(app_id, tenant_key)),
    ]


def check_postgres() -> dict[str, str]:
    """Check the database, for a health endpoint of your own.

    Returns:
        `{"status": "healthy", "database": "connected"}`, or a status of `unhealthy` or `not configured` with
        an `error` that holds no password.
    """
    return _as_dict(_check("database", _check_database), "database")


def check_rabbitmq() -> dict[str, str]:
    """Check the broker of `RABBITMQ_URL` or `RABBITMQ_*`, for a health endpoint of your own.

    Returns:
        `{"status": "healthy", "rabbitmq": "connected"}`, or a status of `unhealthy` or `not configured` with
        an `error` that holds no password.
    """
    return _as_dict(_check("broker", _check_broker), "rabbitmq")


def _check(name: str, look: Callable[[], CheckOutcome]) -> Check:
    return check(name, look, _CHECK_SECONDS)


def _as_dict(result: Check, name: str) -> dict[str, str]:
    if result.status == "healthy":
        return {"status": result.status, name: "connected"}
    return {"status": result.status, "error": result.text}


def _check_database() -> CheckOutcome:
    if not config.has_database():
        return CheckOutcome(
            "not configured; tokens are not shared between processes. Next: set LARK_DATABASE_URL or "
            "POSTGRES_*.",
            "not configured",
        )
    url = urls.database()
    if url.drivername == urls.SQLITE_DRIVER:
        migrate.prepare_engine(url)  # Creates the file, as the first use of the database would.
    name = maintenance.connect(url)
    maintenance.require_writable(url)
    return CheckOutcome(f"{name}, {urls.display(url)}")


def _check_migrations() -> CheckOutcome:
    if not config.has_database():
        return CheckOutcome("no database", "not configured")
    return CheckOutcome(migrate.describe(maintenance.check_revision(urls.database())))


def _report_unknown() -> CheckOutcome:
    return CheckOutcome("unknown while the database is unavailable. Next: see above.", "unhealthy")


def _check_broker() -> CheckOutcome:
    if not config.has_broker():
        return CheckOutcome(
            "not configured. Next: set RABBITMQ_URL for events, or for clicks while the database is "
            "unavailable.",
            "not configured",
        )
    broker = amqp.read_broker()
    amqp.ping(broker)
    return CheckOutcome(str(broker))


def _check_registry() -> CheckOutcome:
    url = urls.registry()
    if not config.has_registry():
        return CheckOutcome(
            f"{urls.display(url)} does not exist. Next: create it with `lark-provider app add`.",
            "not configured",
        )
    registry.exists(url)  # It refuses an empty file, which would become a registry without apps.
    migrate.prepare_engine(url)
    maintenance.check_revision(url)
    return CheckOutcome(urls.display(url))


def _check_key(*, with_people: bool) -> CheckOutcome:
    if not (config.has_registry() or os.environ.get(KEY_VARIABLE, "").strip()):
        return CheckOutcome(
            f"{KEY_VARIABLE} is not set. Next: set it if you use a registry.", "not configured"
        )
    manager = ApplicationManager()
    apps = manager.list_applications()
    for app in apps:
        manager.decrypt_secrets(app.app_id)
    linked, unreadable = People(urls.database()).find_unreadable() if with_people else (0, [])
    if unreadable:
        raise make_unreadable_error(unreadable)
    people = f" and {linked} link(s) of people" if linked else ""
    if not apps and not people:
        return CheckOutcome("valid; the registry has no apps yet")
    return CheckOutcome(f"fits the {len(apps)} app(s) of the registry{people}")


def check_token_endpoint(app_id: str | None, tenant_key: str | None = None) -> CheckOutcome:
    """Request a token from Lark, whether or not one is cached.

    Args:
        app_id: The app; if None, the default one, else the first of the registry.
        tenant_key: The tenant, if it is a store app.

    Raises:
        LarkError: No token was returned.
    """
    is_named = config.find_app(app_id, None, None) is not None or config.find_app_id(app_id) is not None
    if not is_named and not config.has_registry():
        return CheckOutcome(
            "no app configured. Next: set LARK_APP_ID and LARK_APP_SECRET, or add one to the registry.",
            "not configured",
        )
    if not is_named:
        active = (app.app_id for app in ApplicationManager().list_applications() if app.active)
        app_id = next(active, None)
        if app_id is None:
            return CheckOutcome("the registry has no active app", "not configured")
    session = Session(
        app_id=app_id, tenant_key=tenant_key, timeout=_LARK_SECONDS, policy=RetryPolicy(max_retries=0)
    )
    app = drive(credentials.find(session), session)
    _, seconds = drive(tokens.fetch(app), session)
    tenant = f" in tenant {tenant_key}" if tenant_key else ""
    return CheckOutcome(f"app {app.app_id}{tenant} at {app.base_url} has a token for {seconds / 60:.0f} min")
