"""Tickets of store apps: one an hour, and one whenever the app asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_provider.emulator.apps import App
    from lark_provider.emulator.world import World

EVERY = 3600.0


def issue(world: World, app: App) -> None:
    """Make a new ticket; it shows in the state, and goes to the app's address for events."""
    app.app_ticket = world.new_id("")
    world.ticket_issued(app)


def issue_hourly(world: World, app: App) -> None:
    """Make a new ticket every hour from now on."""

    def due(at: float) -> None:
        issue(world, app)
        world.clock.at(at + EVERY, due)

    world.clock.at(world.clock.now() + EVERY, due)
