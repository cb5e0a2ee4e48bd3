"""Running an emulator in a thread beside a test."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from lark_provider.emulator.dispatch import LOOPBACK_NAMES, Lark
from lark_provider.emulator.serving import Serving, listen, url_of
from lark_provider.emulator.world import DEFAULT_APP_ID, DEFAULT_APP_SECRET

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

T = TypeVar("T")


class Emulator:
    """A local Lark in a thread of its own.

    ```python
    with Emulator() as lark:
        client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    ```

    Args:
        host: where to listen. Anything but loopback is reachable by others, who then own this "tenant".
        port: 0 picks a free one.
        allowed_hosts: names accepted in the Host header; by default the loopback names and `host`.
        settings: settings that differ from the defaults, see `settings.Settings`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        allowed_hosts: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.app_id = DEFAULT_APP_ID
        self.app_secret = DEFAULT_APP_SECRET
        self.port = port
        self._host = host
        self._wanted_port = port
        self._lark = Lark({*LOOPBACK_NAMES, host} if allowed_hosts is None else allowed_hosts, settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where clients find it, without a trailing slash."""
        return url_of(self._host, self.port)

    def start(self) -> Self:
        """Listen and answer.

        Returns:
            Itself.

        Raises:
            RuntimeError: it runs already.
            OSError: the port is taken or the host is not ours.
        """
        if self._thread is not None:
            raise RuntimeError("the emulator runs already")
        listener = listen(self._host, self._wanted_port)
        self.port = listener.getsockname()[1]
        ready: Future[asyncio.AbstractEventLoop] = Future()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._run(listener, ready),), name="lark-emulator", daemon=True
        )
        self._thread.start()
        self._loop = ready.result()
        return self

    async def _run(self, listener: socket.socket, ready: Future[asyncio.AbstractEventLoop]) -> None:
        self._stopping = asyncio.Event()
        async with Serving(self._lark, listener):
            ready.set_result(asyncio.get_running_loop())
            await self._stopping.wait()

    def stop(self) -> None:
        """Close the port and all connections. The state stays, and can still be looked at."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _on_loop(self, operation: Callable[[], T]) -> T:
        """Run a control operation on the server's thread, which alone touches the state."""
        if self._loop is None:
            return operation()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(operation())
            except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result()

    def state(self, *, summary: bool = False) -> dict[str, Any]:
        """Return everything the emulator holds; without records and messages if `summary`."""
        return self._on_loop(lambda: self._lark.control.state(summary=summary))

    def requests(self) -> list[dict[str, Any]]:
        """Return the newest requests, oldest first; counters are in `state()`."""
        log: list[dict[str, Any]] = self._on_loop(self._lark.control.requests)["requests"]
        return log

    def reset(self) -> None:
        """Return to the state of a fresh emulator."""
        self._on_loop(self._lark.control.reset)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change settings and return them all, see `settings.Settings`.

        Raises:
            ValueError: an unknown name or a wrong value; nothing is changed then.
        """
        return self._on_loop(lambda: self._lark.control.settings(changes))

    def fault(
        self,
        method: str = "*",
        path: str = "*",
        *,
        times: int = 1,
        skip: int = 0,
        status: int | None = None,
        code: int | None = None,
        msg: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        delay_ms: float | None = None,
        drop: str | None = None,
    ) -> None:
        """Plan a failure, see `faults.Fault` for what each argument means.

        Raises:
            ValueError: an argument that makes no sense, or nothing to do.
        """
        plan = {
            "method": method,
            "path": path,
            "times": times,
            "skip": skip,
            "status": status,
            "code": code,
            "msg": msg,
            "headers": None if headers is None else dict(headers),
            "body": body,
            "delay_ms": delay_ms,
            "drop": drop,
        }
        self._on_loop(lambda: self._lark.control.add_fault(plan))

    def clear_faults(self) -> None:
        """Forget all planned failures."""
        self._on_loop(self._lark.control.clear_faults)

    def add_app(
        self,
        app_id: str | None = None,
        secret: str | None = None,
        *,
        name: str | None = None,
        scopes: Iterable[str] | None = None,
        available_to: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Add an app and return its `app_id`, `app_secret` and `bot_open_id`.

        Args:
            app_id: made up if absent.
            secret: made up if absent.
            name: what the bot is called.
            scopes: what it may do; absent = everything.
            available_to: user ids that it may write to; absent = everyone.

        Raises:
            ValueError: the id is taken or malformed.
        """
        spec = {
            "app_id": app_id,
            "secret": secret,
            "name": name,
            "scopes": None if scopes is None else list(scopes),
            "available_to": None if available_to is None else list(available_to),
        }
        return self._on_loop(lambda: self._lark.control.add_app(spec))

    def add_user(self, user_id: str | None = None, **details: str) -> dict[str, Any]:
        """Add a user (`name`, `en_name`, `email`, `mobile`) and return all ids.

        Raises:
            ValueError: the user_id is taken, or an unknown detail.
        """
        return self._on_loop(lambda: self._lark.control.add_user({"user_id": user_id, **details}))

    def add_chat(
        self,
        name: str,
        *,
        chat_id: str | None = None,
        users: Iterable[str] = (),
        bots: Iterable[str] = (),
    ) -> dict[str, Any]:
        """Add a group with `users` (user ids) and `bots` (app ids), and return it.

        Raises:
            ValueError: the chat_id is taken, or a member is unknown.
        """
        spec = {"name": name, "chat_id": chat_id, "users": list(users), "bots": list(bots)}
        return self._on_loop(lambda: self._lark.control.add_chat(spec))

    def add_webhook(
        self,
        name: str | None = None,
        *,
        token: str | None = None,
        secret: str | None = None,
        keywords: Iterable[str] = (),
    ) -> str:
        """Add a custom bot and return the URL of its webhook; its messages are in `state()["webhooks"]`.

        Args:
            name: what the bot is called.
            token: the last part of the URL; made up if absent.
            secret: asks for messages signed with it; absent = no signature.
            keywords: asks for one of these in each message.

        Raises:
            ValueError: the token is taken, or there are more than ten keywords.
        """
        spec = {"name": name, "token": token, "secret": secret, "keywords": list(keywords)}
        return self.base_url + str(self._on_loop(lambda: self._lark.control.add_webhook(spec))["path"])

    def share_base(self, app_token: str, app_id: str) -> None:
        """Open a base to another app.

        Raises:
            ValueError: no such base or app.
        """
        self._on_loop(lambda: self._lark.control.share_base({"app_token": app_token, "app_id": app_id}))

    def add_wiki_node(
        self,
        obj_type: str,
        obj_token: str,
        *,
        title: str | None = None,
        shared_with: Iterable[str] | None = None,
    ) -> str:
        """Add a wiki page that holds a document, and return its node_token.

        Args:
            obj_type: such as `bitable`, `docx` or `sheet`.
            obj_token: the document's own token; a base must exist.
            title: what the page is called.
            shared_with: app ids that may read it; absent = all.

        Raises:
            ValueError: an unknown type, base or app.
        """
        apps = None if shared_with is None else list(shared_with)
        spec = {"obj_type": obj_type, "obj_token": obj_token, "title": title, "shared_with": apps}
        return str(self._on_loop(lambda: self._lark.control.add_wiki_node(spec))["node_token"])

    def revoke_tokens(self, app_id: str | None = None) -> int:
        """Make tokens invalid at once, of one app or of all, and return how many there were."""
        revoked: int = self._on_loop(lambda: self._lark.control.revoke_tokens({"app_id": app_id}))["revoked"]
        return revoked

    def advance(self, seconds: float) -> None:
        """Move the emulator's clock forward.

        Raises:
            ValueError: a negative number of seconds.
        """
        self._on_loop(lambda: self._lark.control.move_clock({"advance": seconds}))
