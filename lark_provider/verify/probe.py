"""What a probe is: a pure procedure that yields requests, is sent their replies, and returns what it saw."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

TITLE = "lark-provider verify-live"
"""The name of everything that probes make."""

Setting: TypeAlias = str | int | bool
ProbeStatus: TypeAlias = Literal["confirmed", "contradicted", "could not be probed"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to Lark.

    Attributes:
        method: The HTTP method.
        path: Behind `/open-apis`, with the ids in it.
        body: The JSON body; None for none.
        form: A form-encoded body in place of JSON.
        params: The query.
        authorized: Whether the tenant's token is sent.
        undo: Given the reply of a success, the request that deletes what was made.
        makes: What it makes, and where a person finds it if the answer is lost; of a request with `undo`.
        private: Whether body and reply hold credentials, so that neither is written to the corpus.
    """

    method: str
    path: str
    body: dict[str, Any] | None = field(default=None, repr=False)
    form: dict[str, str] | None = field(default=None, repr=False)
    params: dict[str, str] = field(default_factory=dict)
    authorized: bool = True
    undo: Callable[[Reply], Request] | None = None
    makes: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What Lark answered.

    Attributes:
        status: The HTTP status.
        code: The code of Lark's envelope; -1 if the answer is not Lark's.
        msg: The message of Lark's envelope; empty if there is none.
        data: The `data` of Lark's envelope; `{}` if there is none.
    """

    status: int
    code: int
    msg: str = ""
    data: dict[str, Any] = field(default_factory=dict)


ProbeSteps: TypeAlias = Generator[Request, Reply, Setting]
MadeObject: TypeAlias = Generator[Request, Reply, Any]


@dataclass(slots=True)
class ProbeTarget:
    """Where probes may write, and what they share.

    Attributes:
        app_id: The app's id, `cli_…`.
        app_secret: The app's secret.
        chat_id: The id of a chat that was named; None to make one.
        folder: The token of a folder that was named; None for the app's own space.
        person: The open_id of a person who may be added to documents; None for no one.
        nonce: Makes idempotency keys of this run unlike those of any other.
        shared: The objects that were made for several probes, by name.
    """

    app_id: str
    app_secret: str = field(repr=False)
    nonce: str
    chat_id: str | None = None
    folder: str | None = None
    person: str | None = None
    shared: dict[str, Any] = field(default_factory=dict)

    def describe_document(self, kind: str) -> str:
        """Return where a document of a kind is found that probes have made."""
        place, option = (
            ("the app's own space", "")
            if self.folder is None
            else (f"folder {self.folder}", f" {self.folder}")
        )
        return f"a {kind} {TITLE!r} in {place}, listed by `lark-provider drive ls{option}`"

    def make_uuid4(self, name: str) -> str:
        """Return an idempotency key of this run in the shape of a random UUID, which Bitable asks for."""
        digest = hashlib.sha256(f"{self.nonce} {name}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))

    def make_once(self, name: str, make: Callable[[], MadeObject]) -> MadeObject:
        """Return what was made under this name, making it at the first call."""
        if name not in self.shared:
            self.shared[name] = yield from make()
        return self.shared[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A fact, and how it is found out.

    Attributes:
        name: What `--only` takes.
        fact: The question, as a sentence.
        setting: The emulator's setting that it decides; None if there is none.
        assumed: The emulator's default, or what the fact says.
        answers: The values that it can find; empty for any number.
        calls: How many requests it sends at most, without those that make and delete what probes share.
        run: The procedure.
        rule: For `card_rules`: the rule that the answer switches on or off.
        needs_person: Whether a person must be named.
    """

    name: str
    fact: str
    setting: str | None
    assumed: Setting
    answers: tuple[Setting, ...]
    calls: int
    run: Callable[[ProbeTarget], ProbeSteps] = field(repr=False)
    rule: str | None = None
    needs_person: bool = False


def probe(
    name: str,
    fact: str,
    *,
    calls: int,
    run: Callable[[ProbeTarget], ProbeSteps],
    answers: tuple[Setting, ...] = (),
    assumed: Setting | None = None,
    needs_person: bool = False,
) -> Probe:
    """Return the probe of the setting of its own name.

    Args:
        name: What `--only` takes; also the emulator's setting.
        fact: The question, as a sentence.
        calls: How many requests it sends at most.
        run: The procedure.
        answers: The values that it can find; empty for any number.
        assumed: The emulator's default; the first of `answers` if None.
        needs_person: Whether a person must be named.
    """
    return Probe(
        name=name,
        fact=fact,
        setting=name,
        assumed=answers[0] if assumed is None else assumed,
        answers=answers,
        calls=calls,
        run=run,
        needs_person=needs_person,
    )


@dataclass(frozen=True, slots=True)
class Unprobed:
    """A fact that no program can find out with one app, and why."""

    settings: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of a probe.

    Attributes:
        name: The probe's name.
        fact: The question that the probe answers, as a sentence.
        status: Whether the assumed answer is right.
        assumed: The assumed answer.
        setting: The emulator's setting; None if there is none.
        rule: The rule of `card_rules` that the answer switches on or off; None if the probe has none.
        value: The answer that was observed; None if it could not be probed.
        reason: Why it could not be probed, or what was strange.
    """

    name: str
    fact: str
    status: ProbeStatus
    assumed: Setting
    setting: str | None = None
    rule: str | None = None
    value: Setting | None = None
    reason: str = ""


class CannotProbeError(Exception):
    """The tenant did not let a probe get as far as its question; the text says why."""


class UnexpectedError(Exception):
    """Lark did something that is none of the known answers; the text says what."""


def require(request: Request) -> Generator[Request, Reply, dict[str, Any]]:
    """Send a request that only prepares the question, and return its data.

    Raises:
        CannotProbeError: It was refused.
    """
    reply = yield request
    if reply.code:
        where = f"{request.method} {request.path.split('?')[0]}"
        raise CannotProbeError(f"{where} answered HTTP {reply.status}, code {reply.code}: {reply.msg}")
    return reply.data


def choose(reply: Reply, answers: dict[int, Setting]) -> Setting:
    """Return the answer that a code stands for.

    Raises:
        UnexpectedError: The code is none of the known ones.
    """
    if reply.code in answers:
        return answers[reply.code]
    raise UnexpectedError(f"HTTP {reply.status}, code {reply.code}: {reply.msg}")


def choose_refused(reply: Reply, refused: Setting, taken: Setting, *codes: int) -> Setting:
    """Return one answer for a success and another for a refusal.

    Args:
        reply: What Lark answered.
        refused: The answer if the code is one of `codes`.
        taken: The answer if it is 0.
        codes: Codes of the refusal.

    Raises:
        UnexpectedError: Any other code.
    """
    return choose(reply, {0: taken, **dict.fromkeys(codes, refused)})
