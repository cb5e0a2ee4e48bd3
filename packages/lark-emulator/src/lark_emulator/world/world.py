"""The tenant that the emulator holds: users, chats with their messages, bases; and the apps in it."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from lark_emulator import codes
from lark_emulator.codes import RefusedError
from lark_emulator.limits import Windows
from lark_emulator.slicing import free_items
from lark_emulator.world.approvals import Approvals
from lark_emulator.world.apps import DEFAULT_APP_ID, TENANT_KEY, App
from lark_emulator.world.calendars import Calendars
from lark_emulator.world.chats import CardUpdate, Chat, Message, WebhookBot
from lark_emulator.world.consents import Consents
from lark_emulator.world.departments import Departments
from lark_emulator.world.documents import SPACE_ID, WikiSpace
from lark_emulator.world.drive import Drive
from lark_emulator.world.page_plans import PagePlans
from lark_emulator.world.repeats import Repeats
from lark_emulator.world.sheet_plans import SheetPlans
from lark_emulator.world.sheets import Spreadsheet
from lark_emulator.world.tasks import Tasks
from lark_emulator.world.users import User

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from lark_emulator.clock import Clock
    from lark_emulator.world.bases import Base
    from lark_emulator.world.batches import Batch
    from lark_emulator.world.card_entities import CardEntity
    from lark_emulator.world.documents import Minute, Upload, WikiMove, WikiNode
    from lark_emulator.world.message_marks import Urgent

DEFAULT_APP_SECRET = "emulator-secret"  # noqa: S105 - public on purpose: it opens nothing but the emulator
DEFAULT_CHAT_ID = "oc_emulator_data_team"
_TICKETS_EVERY = 3600.0


class World:
    """The tenant. Mutated only on the server's own thread.

    Args:
        clock: The time of this tenant.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.apps: dict[str, App] = {}
        self.users: dict[str, User] = {}
        self.chats: dict[str, Chat] = {}
        self.messages: dict[str, Message] = {}
        self.bases: dict[str, Base] = {}
        #: folders and files, bases and spreadsheets among them
        self.drive = Drive(clock)
        #: what people will do to spreadsheets
        self.sheet_plans = SheetPlans()
        #: images and files by key
        self.uploads: dict[str, Upload] = {}
        #: pages of the wiki by node_token
        self.wiki_nodes: dict[str, WikiNode] = {}
        self.wiki_spaces = {SPACE_ID: WikiSpace(SPACE_ID, "Wiki")}
        #: moves of documents into the wiki, by task_id
        self.wiki_moves: dict[str, WikiMove] = {}
        #: by token
        self.webhook_bots: dict[str, WebhookBot] = {}
        #: (app_id, uuid) -> (message_id, when), and the same for chats
        self.message_uuids: dict[tuple[str, str], tuple[str, float]] = {}
        self.chat_uuids: dict[tuple[str, str, str], tuple[str, float]] = {}
        #: (app_id, table_id, client_token) of writes that wait to be performed late
        self.waiting_tokens: Counter[tuple[str, str, str]] = Counter()
        #: what is planned for pages of records
        self.page_plans = PagePlans()
        #: what people did to records, oldest first
        self.people_edits: deque[dict[str, Any]] = deque(maxlen=10_000)
        #: updates of cards that a click allowed, by token
        self.card_updates: dict[str, CardUpdate] = {}
        #: cards that are kept apart from messages (CardKit), by card_id
        self.card_entities: dict[str, CardEntity] = {}
        #: what `batch_send` sent, by its id
        self.batches: dict[str, Batch] = {}
        #: messages that were made urgent, oldest first
        self.urgents: list[Urgent] = []
        #: what was made in directory, calendars and tasks under tokens of clients
        self.repeats = Repeats()
        self.departments = Departments(self.users)
        #: recordings, by token
        self.minutes: dict[str, Minute] = {}
        self.calendars = Calendars()
        self.tasks = Tasks()
        #: sends an event to an app that is subscribed to it: app, type, content
        self.announce: Callable[..., object] = lambda *_: None
        #: is told about every new ticket of a store app
        self.ticket_issued: Callable[[App], object] = lambda _: None
        #: messages per second to each user or group, from all bots together
        self.receiver_windows = Windows(clock)
        #: card entities that were sent
        self.bound_entities: set[str] = set()
        #: what users allowed apps to do
        self.consents = Consents()
        #: native approvals
        self.approvals = Approvals()
        self._ids = 0
        self._seed_tenant()

    def free(self) -> Generator[None, None, None]:
        """Free what there may be much of, once another tenant is in the place of this one.

        Other requests are served meanwhile.
        """
        for base in self.bases.values():
            for table in base.tables.values():
                yield from table.free()
        for document in self.drive.documents.values():
            if isinstance(document.content, Spreadsheet):
                for sheet in document.content.sheets.values():
                    yield from free_items(sheet.grid.rows)
        for chat in self.chats.values():
            yield from free_items(chat.messages)
        yield from free_items(self.messages)
        yield from free_items(self.message_uuids)

    def _seed_tenant(self) -> None:
        app = self.add_app(DEFAULT_APP_ID, DEFAULT_APP_SECRET, "Emulator bot")
        for user_id, name in (("alice", "李雷"), ("bob", "韩梅梅"), ("carol", "王芳")):
            number = len(self.users) + 1
            self.add_user(
                user_id, name, user_id.capitalize(), f"{user_id}@example.com", f"+861380000000{number}"
            )
        self.add_chat(
            "Data team", users=list(self.users.values()), bots=[app], owner="alice", chat_id=DEFAULT_CHAT_ID
        )

    def make_id(self, prefix: str, length: int = 32) -> str:
        """Return a fresh id of Lark's shape; the same run of requests gives the same ids."""
        self._ids += 1
        digest = hashlib.blake2s(b"%d" % self._ids).hexdigest()
        return prefix + digest[:length]

    def add_app(
        self,
        app_id: str | None = None,
        secret: str | None = None,
        name: str = "App",
        *,
        store: bool = False,
        tenant_keys: frozenset[str] = frozenset({TENANT_KEY}),
    ) -> App:
        """Add an app that may do everything.

        Raises:
            ValueError: the id is taken or does not start with `cli_`.
        """
        app_id = app_id or self.make_id("cli_", 16)
        if not app_id.startswith("cli_"):
            raise ValueError(f"an app id starts with cli_, not {app_id!r}")
        if app_id in self.apps:
            raise ValueError(f"app {app_id!r} exists already")
        app = App(app_id, secret or secrets.token_hex(16), name, store=store, tenant_keys=tenant_keys)
        self.apps[app_id] = app
        if store:
            self._issue_hourly(app)
        return app

    def issue_ticket(self, app: App) -> None:
        """Make a new ticket of a store app; it shows in the state, and goes to its address for events."""
        app.app_ticket = self.make_id("")
        self.ticket_issued(app)

    def resume(self) -> None:
        """Go on with a state that was put in.

        What was going on when it was saved has ended: no write holds a table, no app uploads, and no click
        waits for its answer. Store apps get their tickets again.
        """
        for base in self.bases.values():
            for table in base.tables.values():
                table.held = None
        self.drive.uploading.clear()
        for message in self.messages.values():
            message.clicks_waiting = 0
        for update in self.card_updates.values():
            update.answered = True
        for app in self.apps.values():
            if app.store:
                self._issue_hourly(app)

    def _issue_hourly(self, app: App) -> None:
        def issue_next(at: float) -> None:
            self.issue_ticket(app)
            self.clock.set_alarm(at + _TICKETS_EVERY, issue_next)

        self.clock.set_alarm(self.clock.get_time() + _TICKETS_EVERY, issue_next)

    def add_user(
        self, user_id: str, name: str = "", en_name: str = "", email: str = "", mobile: str = ""
    ) -> User:
        """Add a member of the tenant.

        Raises:
            ValueError: the user_id is taken.
        """
        if user_id in self.users:
            raise ValueError(f"user {user_id!r} exists already")
        user = User(user_id, name or user_id, en_name, email or f"{user_id}@example.com", mobile)
        self.users[user_id] = user
        return user

    def add_chat(
        self,
        name: str,
        *,
        users: list[User],
        bots: list[App],
        owner: str = "",
        chat_id: str | None = None,
        mode: str = "group",
        chat_type: str = "private",
        description: str = "",
        message_type: str = "chat",
    ) -> Chat:
        """Add a chat.

        Raises:
            ValueError: the chat_id is taken.
        """
        chat_id = chat_id or self.make_id("oc_")
        if chat_id in self.chats:
            raise ValueError(f"chat {chat_id!r} exists already")
        chat = Chat(
            chat_id,
            name,
            self.clock.get_time_ms(),
            description=description,
            owner=owner,
            mode=mode,
            chat_type=chat_type,
            message_type=message_type,
            users={user.user_id: user for user in users},
            bots={app.app_id: app for app in bots},
        )
        self.chats[chat_id] = chat
        return chat

    def find_user(self, app: App, id_type: str, value: str) -> User | None:
        """Find a user by an id as `app` sees it, or by `email`.

        Raises:
            RefusedError: 99992361, the open_id belongs to another app.
        """
        if id_type == "user_id":
            return None if app.store else self.users.get(value)  # store apps know no user_ids
        if id_type == "union_id":
            return self.users.get(value.removeprefix("on_emulator_")) if value.startswith("on_") else None
        if id_type == "email":
            return next((user for user in self.users.values() if user.email == value), None)
        own = f"{app.open_id_prefix}_"
        if value.startswith(own):
            return self.users.get(value.removeprefix(own))
        for other in self.apps.values():
            if value.startswith(f"{other.open_id_prefix}_"):
                raise RefusedError(
                    codes.OTHER_APPS_OPEN_ID, error={"message": f"{codes.SEE_PAGE}how-to-obtain-openid"}
                )
        return None

    def ensure_p2p_chat(self, sender: App | User, user: User) -> Chat:
        """Return the chat of a bot or a user with a user, made when the first message is sent."""
        bots, users = ([sender], [user]) if isinstance(sender, App) else ([], [sender, user])
        # Either user may write first: it is the same chat.
        ends = [app.app_id for app in bots] + sorted(member.user_id for member in users)
        chat_id = "oc_" + hashlib.blake2s(" ".join(ends).encode()).hexdigest()[:32]
        return self.chats.get(chat_id) or self.add_chat(
            "", users=users, bots=bots, chat_id=chat_id, mode="p2p"
        )
