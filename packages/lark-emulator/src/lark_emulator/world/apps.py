"""An app: what it may do, where it is installed, where its callbacks go."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark_emulator import codes
from lark_emulator.codes import RefusedError

DEFAULT_APP_ID = "cli_1a2b3c4d5e6f0001"
"""Of the shape of Lark's own ids: the long connection of the Node SDK takes no other."""
_DEFAULT_OPEN_IDS = "ou_emulator0001"
TENANT_KEY = "emulator0tenant0"
#: How an app wants its events, and its card callbacks: by HTTP, over the long connection, or over that while
#: it has one and by HTTP otherwise.
MODES = ("auto", "http", "long_connection")


@dataclass(slots=True)
class Subscription:
    """The addresses of an app, and the keys that it shares with Lark.

    Args:
        url: The URL for card callbacks; empty = none.
        event_url: The URL for events; empty = none.
        verification_token: The token that everything that is sent contains.
        encrypt_key: The key that encrypts and signs everything that is sent; empty = neither.
        old_cards: Whether card callbacks come as `card.action.trigger_v1`, flat and never encrypted.
    """

    url: str
    event_url: str
    verification_token: str = field(repr=False)
    encrypt_key: str = field(default="", repr=False)
    old_cards: bool = False


@dataclass(slots=True)
class App:
    """A custom app or a store app.

    Args:
        app_id: The app's id, `cli_…`.
        secret: The app's secret; never shown again after the app was made.
        name: The name of the app's bot.
        scopes: The scopes that the app was granted; None = everything.
        pending_scopes: The scopes that the app has applied for and was not granted.
        available_to: The user ids of those whom the app may write to and read about; None = everyone.
        store: Whether it is a store (ISV) app.
        tenant_keys: The keys of the tenants where it is installed; a custom app knows one tenant only.
        enabled: Whether the app is in use at all.
        bot: Whether the app has the bot ability.
        event_mode: The way in which events come, one of `MODES`.
        callback_mode: The way in which card callbacks come, one of `MODES`.
    """

    app_id: str
    secret: str = field(repr=False)
    name: str
    scopes: frozenset[str] | None = None
    pending_scopes: frozenset[str] = frozenset()
    available_to: frozenset[str] | None = None
    store: bool = False
    tenant_keys: frozenset[str] = frozenset()
    enabled: bool = True
    bot: bool = True
    event_mode: str = "auto"
    callback_mode: str = "auto"
    redirect_urls: frozenset[str] | None = None
    """Where its authorization page may send users back to; None = anywhere."""
    event_types: frozenset[str] | None = None
    """The events it is subscribed to, of those that what happens here causes; None = all of them."""
    app_ticket: str | None = field(default=None, repr=False)
    """The newest ticket of a store app, see `World.issue_ticket`."""
    subscription: Subscription | None = None
    """Where its callbacks and events go."""
    token_requests: int = 0
    """Token requests that named this app, refused ones included."""

    @property
    def bot_open_id(self) -> str:
        """The open_id of the app's bot."""
        return f"{self.open_id_prefix}_bot"

    @property
    def open_id_prefix(self) -> str:
        """What every open_id of this app starts with: open_ids differ from app to app."""
        if self.app_id == DEFAULT_APP_ID:
            return _DEFAULT_OPEN_IDS
        return f"ou_{self.app_id.removeprefix('cli_')}"

    def has_any(self, *scopes: str) -> bool:
        """Return whether one of these scopes was granted."""
        return self.scopes is None or not self.scopes.isdisjoint(scopes)

    def sees(self, user_id: str) -> bool:
        """Return whether a user is within the app's range."""
        return self.available_to is None or user_id in self.available_to


def check_usable(app: App, tenant_key: str) -> None:
    """Check that an app is in use and installed.

    Raises:
        RefusedError: 99991662 or 99991673.
    """
    if not app.enabled:
        raise RefusedError(codes.APP_NOT_IN_USE)
    if tenant_key not in app.tenant_keys:
        raise RefusedError(codes.APP_NOT_INSTALLED)
