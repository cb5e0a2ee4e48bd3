"""Options and variables, IPv6, TLS with an authority of its own, and the forward proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lark_emulator import Emulator
from lark_emulator.__main__ import main
from lark_emulator.reach.authority import Authority
from lark_emulator.reach.hosts import CERTIFIED, is_larks, split
from tests.emulator.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATE = "/_emulator/state"
TOKEN = "/open-apis/auth/v3/tenant_access_token/internal"


def credentials(lark: Emulator) -> dict[str, str]:
    return {"app_id": lark.app_id, "app_secret": lark.app_secret}


def test_every_option_is_a_variable_too_and_the_command_line_wins() -> None:
    variables = {
        "LARK_EMULATOR_ALLOW_HOST": "lark.test, other.test",
        "LARK_EMULATOR_SET": "token_life=60,uuid_replay=error",
        "LARK_EMULATOR_FALLBACK_ANSWERS": "yes",
    }
    with Command("--set", "token_life=90", **variables) as command:
        for host, status in (("lark.test", 200), ("other.test:1", 200), ("x.test", 403)):
            assert httpx.get(command.base_url + STATE, headers={"host": host}).status_code == status
        settings = httpx.get(f"{command.base_url}/_emulator/settings").json()
        assert (settings["token_life"], settings["uuid_replay"], settings["fallback_answers"]) == (
            90,
            "same",
            True,
        )
        assert command.end() == (0, command_line_two(command), "")


def command_line_two(command: Command) -> str:
    return (
        f"LARK_BASE_URL={command.base_url} LARK_APP_ID=cli_1a2b3c4d5e6f0001 LARK_APP_SECRET=emulator-secret\n"
    )


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        ([], {"LARK_EMULATOR_PORT": "http"}, "LARK_EMULATOR_PORT: 'http' must be a number"),
        ([], {"LARK_EMULATOR_TLS": "maybe"}, "LARK_EMULATOR_TLS: 'maybe' must be one of"),
        (["--set", "token_lif=1"], {}, "unknown setting 'token_lif'"),
        (["--set", "token_life"], {}, "Next: write NAME=VALUE"),
        (["--set", "token_life=1e300"], {}, "'token_life' must be from 0 to"),
        (["--proxy", "--host", "192.0.2.1"], {}, "loopback only"),
        (["--proxy", "--tls"], {}, "leave out --tls or --proxy"),
        (["--proxy-passthrough"], {}, "goes with --proxy"),
        (["--stubs", "/nowhere.json"], {}, "/nowhere.json: No such file"),
        (["record"], {}, "no file to write to"),
        (["record", "--to", "/nowhere/x.json", "--upstream", "http://example.com"], {}, "unencrypted"),
        (["record", "--to", "/nowhere/x.json", "--upstream", "open.feishu.cn"], {}, "is no address"),
        (["record", "--to", "/nowhere/x.json"], {}, "/nowhere/x.json.new: No such file"),
        (["record", "--to", "/nowhere/x.json", "--host", "192.0.2.1"], {}, "loopback only"),
    ],
)
def test_what_cannot_be_had_is_refused_with_a_sentence(
    words: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_ipv6(tmp_path: Path) -> None:
    with Emulator("::1") as lark:
        assert lark.base_url == f"http://[::1]:{lark.port}"
        assert httpx.post(lark.base_url + TOKEN, json=credentials(lark)).json()["code"] == 0
    with Emulator("::1", tls=True, authority=tmp_path) as lark:
        context = ssl.create_default_context(cafile=lark.authority_file)
        assert httpx.get(lark.base_url + STATE, verify=context).status_code == 200


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("open.feishu.cn", True),
        ("OPEN.larksuite.com", True),
        ("feishu.cn", True),
        ("a.b.feishu.cn", False),
        ("feishu.cn.evil.test", False),
        ("evilfeishu.cn", False),
        ("", False),
    ],
)
def test_which_hosts_are_larks(host: str, *, is_one: bool) -> None:
    assert is_larks(host) == is_one


def test_hosts_and_ports() -> None:
    assert split("[::1]:80", 443) == ("::1", 80)
    assert split("open.feishu.cn", 443) == ("open.feishu.cn", 443)
    assert [split(text, 1) for text in ("", ":1", "a:x", "a:0", "a:70000", "a/b:1")] == [None] * 6


def test_the_authority_is_made_once_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with ThreadPoolExecutor(8) as pool:
        certificates = set(pool.map(lambda _: Authority(folder).certificate_file.read_bytes(), range(16)))
    assert len(certificates) == 1
    key = folder / "authority-key.pem"
    assert (stat.S_IMODE(key.stat().st_mode), stat.S_IMODE(folder.stat().st_mode)) == (0o600, 0o700)
    assert b"PRIVATE" not in next(iter(certificates))
    assert sorted(file.name for file in folder.iterdir()) == ["authority-key.pem", "authority.crt"]
    assert f"NODE_EXTRA_CA_CERTS={folder}/authority.crt" in Authority(folder).format_trust_line()
    key.chmod(0o640)
    with pytest.raises(ValueError, match=r"readable by others \(mode 0640\)"):
        Authority(folder)
    key.chmod(0o600)
    key.write_bytes(b"x")
    with pytest.raises(ValueError, match="holds no key with a certificate"):
        Emulator(tls=True, authority=folder).start()


def test_tls_and_who_does_not_trust_it(tmp_path: Path) -> None:
    with Emulator(tls=True, authority=tmp_path, allowed_hosts=["localhost", "127.0.0.1"]) as lark:
        assert lark.base_url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=lark.authority_file)
        with httpx.Client(verify=context, base_url=lark.base_url) as http:
            assert http.post(TOKEN, json=credentials(lark)).json()["code"] == 0
            answer = http.post(
                "/callback/ws/endpoint", json={"AppID": lark.app_id, "AppSecret": lark.app_secret}
            )
            assert answer.json()["data"]["URL"].startswith(f"wss://127.0.0.1:{lark.port}/ws/v2?")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(lark.base_url + STATE)
        with socket.create_connection(("127.0.0.1", lark.port), timeout=30) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in plain.recv(100)
        assert lark.state(summary=True)["crashes"] == 0


def test_the_long_connection_over_tls(tmp_path: Path) -> None:
    from websockets.asyncio.client import connect

    async def connect_and_count() -> int:
        async with connect(url, ssl=context):
            return len(lark.connections())

    with Emulator(tls=True, authority=tmp_path) as lark:
        context = ssl.create_default_context(cafile=lark.authority_file)
        body = {"AppID": lark.app_id, "AppSecret": lark.app_secret}
        url = httpx.post(f"{lark.base_url}/callback/ws/endpoint", json=body, verify=context).json()["data"][
            "URL"
        ]
        # Not websockets.sync: it reads and writes one TLS 1.3 connection in two threads, and in Python 3.11
        # one handshake of some hundreds does not end.
        assert asyncio.run(connect_and_count()) == 1


@contextmanager
def make_proxied(lark: Emulator, **more: Any) -> Iterator[httpx.Client]:
    context = ssl.create_default_context(cafile=lark.authority_file)
    with httpx.Client(proxy=lark.base_url, verify=context, trust_env=False, timeout=60, **more) as http:
        yield http


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(proxy=True, authority=tmp_path) as lark:
        yield lark


@pytest.mark.parametrize(
    "host", ["https://open.feishu.cn", "https://open.larksuite.com", "http://open.feishu.cn"]
)
def test_larks_own_addresses_are_answered_through_the_proxy(proxy: Emulator, host: str) -> None:
    with make_proxied(proxy) as http:
        assert http.post(host + TOKEN, json=credentials(proxy)).json()["code"] == 0
        # Lark has no control plane, nor any page of the emulator's.
        for path in ("/", STATE, "/_emulator/reset"):
            assert http.get(host + path).status_code == 404
        answer = http.get(f"{host}/open-apis/bot/v3/info")
        assert answer.json()["code"] == 99991661
    assert [entry["path"] for entry in proxy.requests()] == [TOKEN, "/open-apis/bot/v3/info"]
    # The emulator itself stays reachable as ever, and through the proxy too.
    assert httpx.get(proxy.base_url + STATE).status_code == 200
    with make_proxied(proxy) as http:
        assert http.get(proxy.base_url + STATE).status_code == 200


def test_a_download_address_leads_back_through_the_tunnel(proxy: Emulator) -> None:
    """With `http://` a client that has only `HTTPS_PROXY` would send its token to the real Lark."""
    upload = {"file_name": "a.txt", "parent_type": "bitable_file", "size": "2"}
    medias = "/open-apis/drive/v1/medias"
    with make_proxied(proxy, base_url="https://open.feishu.cn") as http:
        login = http.post(TOKEN, json=credentials(proxy)).json()
        http.headers["Authorization"] = f"Bearer {login['tenant_access_token']}"
        base = http.post("/open-apis/bitable/v1/apps", json={"name": "files"}).json()["data"]["app"]
        upload["parent_node"] = base["app_token"]
        sent = http.post(f"{medias}/upload_all", data=upload, files={"file": ("a.txt", b"hi")}).json()
        query = {"file_tokens": sent["data"]["file_token"]}
        answer = http.get(f"{medias}/batch_get_tmp_download_url", params=query).json()
        [address] = answer["data"]["tmp_download_urls"]
        assert address["tmp_download_url"].startswith("https://open.feishu.cn/space/")
        assert http.get(address["tmp_download_url"]).content == b"hi"


def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(proxy: Emulator) -> None:
    """It is read before the connection is handed over."""
    for _ in range(30):
        with make_proxied(proxy) as http:
            assert http.get("https://open.feishu.cn/open-apis/bot/v3/info").json()["code"] == 99991661


def test_other_hosts_get_403(proxy: Emulator) -> None:
    with make_proxied(proxy) as http:
        with pytest.raises(httpx.ProxyError, match="403"):
            http.get("https://example.com/")
        assert http.get("http://example.com/").status_code == 403
        assert http.get("http://169.254.169.254/latest/").status_code == 403
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as wire:
        wire.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        answer = wire.recv(1000)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"--proxy-passthrough" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"CONNECT  HTTP/1.1\r\n\r\n", b"400"),
        (b"CONNECT open.feishu.cn:x HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"CONNECT open.feishu.cn:443 HTTP/1.1\r\nHost: a\r\n\r\nearly", b"400"),
        (b"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", b"403"),
    ],
)
def test_odd_requests_to_the_proxy_are_answered(proxy: Emulator, sent: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as wire:
        wire.sendall(sent)
        assert wire.recv(1000).split(b" ")[1] == status


def test_a_client_that_does_not_trust_the_authority_or_speaks_no_tls_does_no_harm(proxy: Emulator) -> None:
    with httpx.Client(proxy=proxy.base_url, trust_env=False) as http, pytest.raises(httpx.ConnectError):
        http.get("https://open.feishu.cn/")
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as wire:
        wire.sendall(b"CONNECT open.feishu.cn:443 HTTP/1.1\r\nHost: open.feishu.cn\r\n\r\n")
        assert wire.recv(1000).startswith(b"HTTP/1.1 200")
        wire.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in wire.recv(1000)
    assert proxy.state(summary=True)["crashes"] == 0


def test_stopping_in_the_middle_of_a_handshake(tmp_path: Path) -> None:
    with Emulator(proxy=True, authority=tmp_path) as lark, socket.socket() as wire:
        wire.connect(("127.0.0.1", lark.port))
        wire.sendall(b"CONNECT open.feishu.cn:443 HTTP/1.1\r\nHost: open.feishu.cn\r\n\r\n")
        wire.settimeout(30)
        assert wire.recv(1000).startswith(b"HTTP/1.1 200")


def test_passing_through(tmp_path: Path) -> None:
    with (
        Emulator(tls=True, authority=tmp_path) as other,
        Emulator(proxy=True, proxy_passthrough=True, authority=tmp_path) as lark,
        make_proxied(lark) as http,
    ):
        long = "x" * 300_000
        sent = http.post(f"{other.base_url}/open-apis/none", content=long)
        assert (sent.status_code, other.requests()[0]["body_size"]) == (404, 300_000)
        assert lark.requests() == []
        with pytest.raises(httpx.ProxyError, match="502"):
            http.get(f"https://127.0.0.1:{free_port()}/")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_command_says_how_to_trust_it(tmp_path: Path) -> None:
    with Command("--proxy", "--authority", str(tmp_path)) as command:
        context = ssl.create_default_context(cafile=tmp_path / "authority.crt")
        with httpx.Client(proxy=command.base_url, verify=context, trust_env=False) as http:
            assert http.get("https://open.feishu.cn/open-apis/bot/v3/info").json()["code"] == 99991661
        code, out, err = command.end()
    assert (code, err) == (0, "")
    assert f"export SSL_CERT_FILE={tmp_path}/authority.crt" in out
    assert f"HTTPS_PROXY={command.base_url}" in out


def test_the_certificate_names_all_of_larks_hosts(tmp_path: Path) -> None:
    context = Authority(tmp_path).make_context(CERTIFIED)
    client = ssl.create_default_context(cafile=tmp_path / "authority.crt")

    async def shake(host: str) -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
            writer.close()

    for host in ("open.feishu.cn", "accounts.larksuite.com", "msg-frontier.feishu.cn"):
        asyncio.run(shake(host))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(shake("example.com"))
