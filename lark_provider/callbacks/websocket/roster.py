"""Which apps to listen for: those named, else that of the environment and the registry's active ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lark_provider import config
from lark_provider.protocol.errors import ConfigurationError, LarkError
from lark_provider.protocol.tokens import App

if TYPE_CHECKING:
    from lark_provider.storage.credentials import RegisteredApp


@dataclass(frozen=True, slots=True)
class Roster:
    """The apps to listen for, at one time.

    Attributes:
        apps: The apps to listen for, by app id.
        problems: Why other apps are not listened for, by app id: disabled, unknown, or unreadable. Apps that
            are disabled are here only if they are named.
    """

    apps: Mapping[str, App]
    problems: Mapping[str, LarkError]

    def check(self) -> None:
        """Check that there is an app, and that each one that was named is usable, before a process starts.

        Raises:
            LarkError: The reason of the first one that is not.
        """
        for error in self.problems.values():
            if not self.apps or isinstance(error, _NamedError):
                raise error
        if not self.apps:
            raise _no_apps()


class _NamedError(ConfigurationError):
    """An app that was named cannot be listened for."""


def load(named: Collection[str] = (), *, needs_registry: bool = False) -> Roster:
    """Return the apps to listen for, as the registry and the environment have them now. Blocks.

    An app of `LARK_APP_ID` and `LARK_APP_SECRET` needs no registry, but one that knows it may disable it.

    Args:
        named: Only these; else all.
        needs_registry: Whether a registry that is missing is an error, since it was there before.

    Raises:
        ConfigurationError: A setting is invalid, or the registry is missing.
        StorageError: The registry cannot be used.
    """
    own_app = config.find_app(None, None, None)
    apps: dict[str, App] = {}
    problems: dict[str, LarkError] = {}
    disabled: set[str] = set()
    for registered in _read_registered(named, own_app, needs_registry=needs_registry):
        if not registered.is_active:
            disabled.add(registered.app_id)
        elif registered.error is not None:
            problems[registered.app_id] = registered.error
        elif registered.app is not None:
            base_url = config.resolve_base_url(registered.app.base_url)
            apps[registered.app_id] = replace(registered.app, base_url=base_url)
    if own_app is not None and own_app.app_id not in disabled and (not named or own_app.app_id in named):
        apps[own_app.app_id] = own_app
    for app_id in named:
        if app_id in disabled:
            problems[app_id] = _NamedError(str(config.make_disabled_app_error(app_id)))
        elif app_id not in apps and app_id not in problems:
            problems[app_id] = _NamedError(str(config.no_credentials(app_id)))
    return Roster(apps, problems)


def _read_registered(
    named: Collection[str], own_app: App | None, *, needs_registry: bool
) -> list[RegisteredApp]:
    """Return the apps of the registry, without the credentials of those that are not needed from it."""
    if not (needs_registry or config.has_registry()):
        return []
    from lark_provider.storage import credentials, registry, urls

    if needs_registry:
        registry.require(urls.registry())
    own_id = None if own_app is None else own_app.app_id
    return credentials.read_registered(
        urls.registry(), lambda app_id: app_id != own_id and (not named or app_id in named)
    )


def _no_apps() -> ConfigurationError:
    registry = (
        str(config.expand_path(config.get_registry()).absolute())
        if "://" not in config.get_registry()
        else "its URL"
    )
    where = (
        f"the registry at {registry} has no active app" if config.has_registry() else "there is no registry"
    )
    return ConfigurationError(
        f"No app to listen for is configured: {where}, and LARK_APP_ID and LARK_APP_SECRET are not "
        "both set. Next: `lark-provider app add`, or `app enable`, or set both."
    )
