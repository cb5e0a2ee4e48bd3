"""Changes of a genuine request that no one may take for one."""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections.abc import Callable, Iterator

from tests.protocol.callbacks import sender

BODY = sender.seal_body(sender.card())
HEADERS = sender.make_headers(BODY)
SIGNED_HEADERS = ["X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature"]


def flip(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, 20)) + data[at:]


def delete(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at + chance.randint(1, 20) :]


def repeat(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + data[at : at + chance.randint(1, 40)] + data[at:]


def swap(data: bytes, chance: random.Random) -> bytes:
    at = sorted(chance.sample(range(len(data)), 3))
    return data[: at[0]] + data[at[1] : at[2]] + data[at[0] : at[1]] + data[at[2] :]


def cipher_bits(data: bytes, chance: random.Random) -> bytes:
    """Change the cipher, not its notation: what CBC turns into a change of the plain text."""
    sealed = base64.b64decode(json.loads(data)["encrypt"])
    return json.dumps({"encrypt": base64.b64encode(flip(sealed, chance)).decode()}).encode()


def cipher_blocks(data: bytes, chance: random.Random) -> bytes:
    sealed = base64.b64decode(json.loads(data)["encrypt"])
    blocks = [sealed[at : at + 16] for at in range(0, len(sealed), 16)]
    chance.shuffle(blocks)
    kept = b"".join(blocks[: chance.randint(0, len(blocks))])
    return json.dumps({"encrypt": base64.b64encode(kept).decode()}).encode()


def notation(data: bytes, chance: random.Random) -> bytes:
    text = data.decode()
    return chance.choice(
        [
            data + b" ",
            b"\n" + data,
            b"\xef\xbb\xbf" + data,
            text.encode("utf-16"),
            json.dumps(json.loads(data), indent=1).encode(),
            text.replace("encrypt", "encrypt ").encode(),
            text.replace("+", "-").replace("/", "_").encode(),
            text.replace("=", "").encode() + b" ",
            gzip.compress(data),
            base64.b64encode(data),
            json.dumps(json.loads(data) | {"schema": "2.0"}).encode(),
            sender.dump(sender.card()),
            sender.dump(sender.old_card()),
            b"",
        ]
    )


def text_of_header(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text))
    return chance.choice(
        [
            text[:at] + chance.choice("0123456789abcdef \n\x00é\ud800") + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[:at] + chance.choice("0aé") + text[at:],
            text.upper(),
            text[::-1],
            " " + text,
            "",
            text * 2,
        ]
    )


ON_BODY: list[Callable[[bytes, random.Random], bytes]] = [
    flip, insert, delete, repeat, swap, cipher_bits, cipher_blocks, notation,
]  # fmt: skip


def mutants(count: int, seed: int) -> Iterator[tuple[dict[str, str], bytes]]:
    """Yield headers and body of requests that differ from the genuine one."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    while count:
        headers, body = dict(HEADERS), BODY
        for _ in range(chance.randint(1, 3)):
            if chance.random() < 0.6:
                body = chance.choice(ON_BODY)(BODY, chance)
            else:
                name = chance.choice(SIGNED_HEADERS)
                if value := headers.get(name):
                    headers[name] = text_of_header(value, chance)
                    if chance.random() < 0.1:
                        del headers[name]
        if (headers, body) != (HEADERS, BODY):
            count -= 1
            yield headers, body
