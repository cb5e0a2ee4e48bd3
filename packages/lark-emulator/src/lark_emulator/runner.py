"""Running an emulator in a thread alongside a test."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from lark_emulator.control.controls import Controls
from lark_emulator.control.plane import Unwritten
from lark_emulator.lark import Lark
from lark_emulator.serving import Serving, format_url, list_names, listen
from lark_emulator.slicing import at_once, collect_lists, with_turns
from lark_emulator.world.apps import DEFAULT_APP_ID
from lark_emulator.world.world import DEFAULT_APP_SECRET

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from lark_emulator.control.plane import Operation
    from lark_emulator.persistence import Persister
    from lark_emulator.reach.door import Door


class Emulator(Controls):
    """A local Lark in a thread of its own.

    ```python
    with Emulator() as lark:
        client = LarkServiceClient(lark.app_id, lark.app_secret, base_url=lark.base_url)
    ```

    Args:
        host: Where to listen. Anything but loopback is reachable by others, who then own this "tenant".
        port: 0 picks a free one.
        allowed_hosts: Names accepted in the Host header; by default the loopback names and `host`.
        settings: Settings that differ from the defaults, see `settings.Settings`.
        tls: Whether it listens with TLS; clients must trust `authority_file`.
        proxy: Whether it is a forward proxy that answers for Lark's own hosts; clients must trust
            `authority_file`.
        proxy_passthrough: Whether that proxy passes other hosts through, instead of answering 403.
        authority: The folder of the authority that signs; None = below the user's own data.
        data: A folder that keeps the state from one start to the next.

    Raises:
        MissingExtraError: TLS, the proxy, or an app with an Encrypt Key in `data`, needs the extra `tls`.
        ValueError: these cannot be had together, or the folders cannot be used.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        allowed_hosts: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        tls: bool = False,
        proxy: bool = False,
        proxy_passthrough: bool = False,
        authority: Path | None = None,
        data: Path | None = None,
    ) -> None:
        self.app_id = DEFAULT_APP_ID
        self.app_secret = DEFAULT_APP_SECRET
        self.port = port
        self._host = host
        self._wanted_port = port
        self._allowed_hosts = list_names(host, allowed_hosts)
        self._lark = Lark(settings)
        self._door: Door | None = None
        self._secure = tls
        if tls or proxy or proxy_passthrough:
            # It loads what TLS needs, which plain HTTP does not.
            from lark_emulator.reach.door import Door

            self._door = Door(tls=tls, proxy=proxy, passes=proxy_passthrough, authority=authority)
            self._door.check(host)
        self._persister: Persister | None = None
        if data is not None:
            from lark_emulator.persistence import Persister

            self._persister = Persister(self._lark, data)
            try:
                self._persister.load()
            finally:
                self._persister.close()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """Where clients find it, without a trailing slash."""
        return format_url(self._host, self.port, secure=self._secure)

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority that signs, for `SSL_CERT_FILE` and its like.

        Raises:
            RuntimeError: the emulator speaks plain HTTP.
        """
        if self._door is None:
            raise RuntimeError("the emulator speaks plain HTTP. Next: start it with tls or proxy")
        return self._door.open().certificate_file

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
            target=_run_in_own_loop, args=(self._run(listener, ready),), name="lark-emulator", daemon=True
        )
        self._thread.start()
        try:
            self._loop = ready.result()
        except BaseException:
            self._thread.join()
            self._thread = None
            raise
        return self

    async def _run(self, listener: socket.socket, ready: Future[asyncio.AbstractEventLoop]) -> None:
        self._stopping = asyncio.Event()
        door, persister = self._door, self._persister
        try:
            async with Serving(self._lark, listener, self._allowed_hosts, door=door, persister=persister):
                ready.set_result(asyncio.get_running_loop())
                await self._stopping.wait()
        except (OSError, ValueError) as error:  # of the authority or the folder, before it listens
            if ready.done():
                raise
            listener.close()
            ready.set_exception(error)

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

    def _do(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        if self._loop is not None:
            done = asyncio.run_coroutine_threadsafe(self._perform(operation, spec), self._loop)
            try:
                return done.result()
            except CancelledError:
                raise RuntimeError("the emulator was stopped or reset meanwhile") from None
        result = operation(self._lark, spec)
        if isinstance(result, Unwritten):
            return at_once(collect_lists(result.content))
        if isinstance(result, dict):
            return result
        result.close()
        raise RuntimeError("the emulator is stopped: it can send nothing")

    async def _perform(self, operation: Operation, spec: dict[str, Any]) -> dict[str, Any]:
        """Perform an operation on the server's thread, which alone touches the state."""
        self._lark.touched += 1
        result = operation(self._lark, spec)
        try:
            if isinstance(result, Unwritten):
                return await with_turns(collect_lists(result.content))
            return result if isinstance(result, dict) else await result
        finally:
            self._lark.activity += 1


def _run_in_own_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run in a loop of asyncio's own, whatever the program under test has made the default."""
    loop_factory = getattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop)  # the first on Windows
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main)
