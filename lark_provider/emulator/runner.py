"""Running an emulator: in a thread beside a test, or in the foreground for a developer."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from lark_provider.emulator.dispatch import LOOPBACK_NAMES, Lark
from lark_provider.emulator.server import HttpConnection
from lark_provider.emulator.world import DEFAULT_APP_ID, DEFAULT_APP_SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

T = TypeVar("T")

BACKLOG = 1024
_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


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
        return _url(self._host, self.port)

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
        listener = _listen(self._host, self._wanted_port)
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
        async with _Serving(self._lark, listener):
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


class _Serving:
    """A listening server as a context: on leaving, the port and all connections are closed."""

    def __init__(self, lark: Lark, listener: socket.socket) -> None:
        self._lark = lark
        self._listener = listener
        self._connections: set[HttpConnection] = set()

    async def __aenter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: HttpConnection(self._lark, self._connections), sock=self._listener, backlog=BACKLOG
        )

    async def __aexit__(self, *_: object) -> None:
        # asyncio accepts in tasks of its own, and would leave a connection open that is on its way when the
        # server closes: so first accept no more, then let those tasks end, then close.
        asyncio.get_running_loop().remove_reader(self._listener)
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        self._server.close()
        closing = list(self._connections)
        for connection in closing:
            connection.shut()
        await asyncio.gather(*(connection.closed for connection in closing))
        await self._server.wait_closed()


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], object] | None = None,
    *,
    allowed_hosts: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Run an emulator in the foreground until SIGINT or SIGTERM.

    Args:
        host: where to listen.
        port: 0 picks a free one.
        ready: called with the base URL once it listens.
        allowed_hosts: names accepted in the Host header; by default the loopback names and `host`.
        settings: settings that differ from the defaults.

    Raises:
        OSError: the port is taken or the host is not ours.
    """
    lark = Lark({*LOOPBACK_NAMES, host} if allowed_hosts is None else allowed_hosts, settings)
    listener = _listen(host, port)

    async def run() -> None:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        async with _Serving(lark, listener):
            if ready is not None:
                ready(_url(host, listener.getsockname()[1]))
            await stopping.wait()

    asyncio.run(run())


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise type(error)(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _url(host: str, port: int) -> str:
    name = _WILDCARDS.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
