"""Lark's side of a callback, after its documents and with another cipher library than the product's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

from Crypto.Cipher import AES

APP, KEY, TOKEN = "cli_a5fb0ae6a4000001", "an encrypt key", "a verification token"
NOW = 1_791_100_000.0


def card(
    action: dict[str, Any] | None = None, *, app_id: str = APP, token: Any = TOKEN, now: float = NOW
) -> dict[str, Any]:
    """Return a click on a card, as the documentation shows it."""
    return {
        "schema": "2.0",
        "header": {
            "event_id": "f7984f25108f8137722bb63c00000001",
            "token": token,
            "create_time": str(int(now * 1_000_000)),
            "event_type": "card.action.trigger",
            "tenant_key": "2df73991750a0001",
            "app_id": app_id,
        },
        "event": {
            "operator": {
                "tenant_key": "2df73991750a0001",
                "user_id": "867b0001",
                "open_id": "ou_3c14f3a59eaf2825dbe25359f15768aa",
                "union_id": "on_574d639e4a44e4dd646eaf628e2b0001",
            },
            "token": "c-295ee57216a5dc9de90fefd0aadb4b1d7d0001",
            "action": action or {"value": {"decision": "approve"}, "tag": "button", "name": "approve"},
            "host": "im_message",
            "context": {
                "open_message_id": "om_574d639e4a44e4dd646eaf628e2b0001",
                "open_chat_id": "oc_e4d2605ca917e695f54f11aaf56d0001",
            },
        },
    }


def make_event(now: float = NOW) -> dict[str, Any]:
    """Return a message to the bot, which is an event of schema 2.0."""
    return {
        "schema": "2.0",
        "header": {
            "event_id": "5e3702a84e847582be8db7fb73283c02",
            "token": TOKEN,
            "create_time": str(int(now * 1000)),
            "event_type": "im.message.receive_v1",
            "tenant_key": "2df73991750a0001",
            "app_id": APP,
        },
        "event": {"message": {"message_id": "om_1", "content": '{"text":"hi 你好"}'}},
    }


def make_event_1(now: float = NOW, **event: Any) -> dict[str, Any]:
    """Return an event 1.0."""
    return {
        "ts": f"{now:.7f}",
        "uuid": "bc447199585340d1f3728d26b1c0297a",
        "token": TOKEN,
        "type": "event_callback",
        "event": {"type": "p2p_chat_create", "app_id": APP, "tenant_key": "2df73991750a0001", **event},
    }


def challenge(token: Any = TOKEN) -> dict[str, Any]:
    """Return the challenge that Lark sends when the URL is entered in the console."""
    return {"challenge": "ajls384k-你好", "token": token, "type": "url_verification"}


def old_card() -> dict[str, Any]:
    """Return a click in the form of card.action.trigger_v1."""
    return {
        "open_id": "ou_sdfimx9948345",
        "user_id": "eu_sd923r0sdf5",
        "open_message_id": "om_abcdefg1234567890",
        "open_chat_id": "oc_1",
        "tenant_key": "d32004232",
        "token": "c-old",
        "action": {"value": {"key": "v"}, "tag": "button"},
    }


def dump(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def seal(plain: bytes, key: str = KEY, iv: bytes | None = None) -> str:
    """Encrypt as Lark does."""
    iv = os.urandom(16) if iv is None else iv
    padding = 16 - len(plain) % 16
    cipher = AES.new(hashlib.sha256(key.encode()).digest(), AES.MODE_CBC, iv)
    return base64.b64encode(iv + cipher.encrypt(plain + bytes([padding]) * padding)).decode()


def seal_body(content: object, key: str = KEY) -> bytes:
    """Return the body of an encrypted request."""
    return dump({"encrypt": seal(dump(content), key)})


def make_headers(
    body: bytes, key: str = KEY, timestamp: str | None = None, nonce: str = "7c9e", algorithm: str = "sha256"
) -> dict[str, str]:
    """Return the headers of a signed request, with others that Lark sends."""
    timestamp = str(int(NOW)) if timestamp is None else timestamp
    digest = hashlib.new(algorithm, (timestamp + nonce + key).encode() + body)
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Go-http-client/1.1",
        "X-Lark-Request-Timestamp": timestamp,
        "X-Lark-Request-Nonce": nonce,
        "X-Lark-Signature": digest.hexdigest(),
    }
