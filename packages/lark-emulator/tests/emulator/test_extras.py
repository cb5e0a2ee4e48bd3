"""What works without the extra `tls`, and what the emulator says of what does not."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from lark_emulator import Emulator, MissingExtraError
from lark_emulator.extras import require_cryptography

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = "Next: pip install 'lark-emulator[tls]'"


def run_without_cryptography(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which no import of cryptography succeeds."""
    code = f"import sys\nsys.modules['cryptography'] = None\n{textwrap.dedent(program)}"
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_messages_and_plain_callbacks_need_no_cryptography() -> None:
    done = run_without_cryptography(
        """
        import json, urllib.request
        from lark_emulator import Emulator

        def post(url, body, **headers):
            headers["Content-Type"] = "application/json"
            request = urllib.request.Request(url, json.dumps(body).encode(), headers)
            return json.load(urllib.request.urlopen(request))

        with Emulator() as lark:
            login = {"app_id": lark.app_id, "app_secret": lark.app_secret}
            token = post(f"{lark.base_url}/open-apis/auth/v3/tenant_access_token/internal", login)
            sent = post(
                f"{lark.base_url}/open-apis/im/v1/messages?receive_id_type=chat_id",
                {
                    "receive_id": "oc_emulator_data_team",
                    "msg_type": "text",
                    "content": json.dumps({"text": "hello"}),
                },
                Authorization=f"Bearer {token['tenant_access_token']}",
            )
            lark.set_callback("http://127.0.0.1:9/", verify=False)
            print(sent["msg"], len(lark.state()["chats"][0]["messages"]))
        """
    )
    assert (done.stdout, done.stderr) == ("success 1\n", "")


@pytest.mark.parametrize(
    ("use", "feature"),
    [
        ("Emulator(tls=True)", "TLS"),
        ("Emulator(proxy=True)", "a forward proxy"),
        (
            "lark.set_callback('http://127.0.0.1:9/', encrypt_key='k', verify=False)",
            "an Encrypt Key",
        ),
        ("signing.encrypt(b'{}', 'k', bytes(16))", "an Encrypt Key"),
    ],
)
def test_what_needs_cryptography_names_the_extra(use: str, feature: str) -> None:
    done = run_without_cryptography(
        f"""
        from lark_emulator import Emulator, MissingExtraError
        from lark_emulator.callbacks import signing
        with Emulator() as lark:
            try:
                {use}
            except MissingExtraError as error:
                print(error)
            print(lark.state()["apps"][0]["callback"])
        """
    )
    expected = f"{feature} needs the package cryptography, which is not installed. {INSTALL}"
    assert (done.stdout.splitlines(), done.stderr) == ([expected, "None"], "")


@pytest.mark.parametrize("option", ["--tls", "--proxy"])
def test_the_command_names_the_extra(option: str, tmp_path: Path) -> None:
    done = run_without_cryptography(
        "from lark_emulator.__main__ import main; sys.exit(main())",
        *(option, "--port", "0", "--authority", str(tmp_path)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"which is not installed. {INSTALL}.\n")


def test_the_control_plane_names_the_extra() -> None:
    done = run_without_cryptography(
        """
        import urllib.error, urllib.request
        from lark_emulator import Emulator
        with Emulator() as lark:
            body = b'{"url": "http://127.0.0.1:9/", "encrypt_key": "k", "verify": false}'
            request = urllib.request.Request(
                f"{lark.base_url}/_emulator/callbacks", body, {"Content-Type": "application/json"}
            )
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                print(error.code, error.read().decode())
        """
    )
    status, _, answer = done.stdout.partition(" ")
    assert status == "400", done.stderr
    shown: Any = json.loads(answer)
    assert INSTALL in str(shown)


def test_a_kept_state_with_an_encrypt_key_names_the_extra(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with Emulator(data=folder) as lark:
        lark.set_callback("http://127.0.0.1:9/", encrypt_key="k", verify=False)
    done = run_without_cryptography(
        """
        from pathlib import Path
        from lark_emulator import Emulator, MissingExtraError
        try:
            Emulator(data=Path(sys.argv[1]))
        except MissingExtraError as error:
            print(error)
        """,
        str(folder),
    )
    assert done.stdout.startswith(f"{folder / 'state'} has an app with an Encrypt Key, which needs"), (
        done.stderr
    )
    with Emulator(data=folder) as lark:  # is not lost
        assert lark.state()["apps"][0]["callback"]["encrypted"] is True


def test_with_the_extra_nothing_is_refused() -> None:
    require_cryptography("TLS")
    assert issubclass(MissingExtraError, ValueError)
