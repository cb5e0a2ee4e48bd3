"""Who we say that we are, to a server that writes it down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from lark_provider import AsyncLarkServiceClient, LarkServiceClient, LarkWebhookClient, __version__

OURS = f"airflow-provider-lark/{__version__}"
ANSWER = b'{"code": 0, "msg": "ok", "tenant_access_token": "t-1", "expire": 7200, "bot": {}}'
Server = tuple[str, list[str]]


@pytest.fixture
def server() -> Iterator[Server]:
    """Start an HTTP server; yield its URL, and a list that gets the User-Agent of each request."""
    seen = list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            seen.append(self.headers["User-Agent"])
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}", seen
        serving.shutdown()
        thread.join()


def test_every_request_names_the_product_and_its_version(server: Server) -> None:
    url, seen = server
    with LarkServiceClient("cli_1", "s", base_url=url) as client:
        client.bot.info()
    with LarkWebhookClient("token", base_url=url) as bot:
        bot.send_text("hello")

    async def ask() -> None:
        async with AsyncLarkServiceClient("cli_2", "s", base_url=url) as client:
            await client.bot.info()

    asyncio.run(ask())
    assert seen == [OURS] * 5  # a token and a call, a message, a token and a call


def test_an_http_client_of_the_users_own_keeps_what_it_says(server: Server) -> None:
    url, seen = server
    for headers, said in (({}, OURS), ({"User-Agent": "shop/1.0"}, "shop/1.0")):
        with httpx.Client(headers=headers) as http:
            LarkServiceClient("cli_1", "s", base_url=url, http_client=http).bot.info()
        assert {*seen[-1:]} == {said}
