"""Run probes: send what they yield, count it, record it, and delete what they made, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lark_provider.verify.corpus import Corpus
from lark_provider.verify.probe import (
    CannotProbeError,
    Finding,
    Probe,
    ProbeTarget,
    Reply,
    Request,
    Setting,
    UnexpectedError,
)

_TRIES, _PAUSE_S = 4, 1.0
_BUSY = frozenset({99991400, 1254290, 1254291, 1254607, 90217, 90235, 1310217, 1310235, 230020})
"""Too many requests, or another write is under way: not the answer to a question."""
_LIMITED_STATUS = 429
_NOT_LARKS = -1
_INTERRUPTS = (KeyboardInterrupt, SystemExit)
"""Ctrl-C, and SIGTERM under `exit_on_sigterm`."""

Send = Callable[[Request], Reply]


class ExhaustedError(Exception):
    """No request is left of those that were allowed."""


@dataclass(slots=True)
class Runner:
    """Runs probes against one tenant.

    Attributes:
        send: Sends a request.
        pause: Waits for the number of seconds that it is called with.
        target: Where probes may write, and what they share.
        most: How many requests may be sent, deletions included.
        corpus: Collects the requests and their replies.
        sent: How many requests were sent so far.
        left_behind: What could not be deleted, as method, path and reason.
        unanswered: What may have been made by a request whose answer was lost, and where it would be.
        interrupted: Whether Ctrl-C or SIGTERM has ended it early.
    """

    send: Send
    pause: Callable[[float], None]
    target: ProbeTarget
    most: int
    corpus: Corpus
    sent: int = 0
    left_behind: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    interrupted: bool = False
    _undos: list[Request] = field(default_factory=list)

    def run(self, probes: Iterable[Probe], on_finding: Callable[[Finding], None]) -> list[Finding]:
        """Run probes one after another, then delete what they made, also after an error, Ctrl-C or SIGTERM.

        Args:
            probes: The probes to run.
            on_finding: Called with each finding as soon as its probe has ended.
        """
        findings: list[Finding] = []
        try:
            for probe in probes:
                findings.append(self._run_probe(probe))
                on_finding(findings[-1])
        except _INTERRUPTS:
            self.interrupted = True
        finally:
            self._clean_up()
        return findings

    def _run_probe(self, probe: Probe) -> Finding:
        if probe.needs_person and self.target.person is None:
            return _make_finding(probe, "could not be probed", reason="no person was named (--person)")
        try:
            value = self._run(probe)
        except CannotProbeError as error:
            return _make_finding(probe, "could not be probed", reason=self.corpus.scrub(str(error)))
        except ExhaustedError:
            return _make_finding(
                probe, "could not be probed", reason=f"all {self.most} requests of --max-calls are used"
            )
        except UnexpectedError as error:
            return _make_finding(probe, "contradicted", reason=self.corpus.scrub(str(error)))
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, StopIteration) as error:
            # An answer of a shape that neither the documents nor the SDK know.
            reason = f"an answer had another shape ({type(error).__name__})"
            return _make_finding(probe, "could not be probed", reason=reason)
        return _make_finding(probe, "confirmed" if value == probe.assumed else "contradicted", value)

    def _run(self, probe: Probe) -> Setting:
        steps = probe.run(self.target)
        request = next(steps, None)
        while request is not None:
            reply = self._exchange(request, probe.name)
            try:
                request = steps.send(reply)
            except StopIteration as done:
                value: Setting = done.value
                return value
        raise CannotProbeError("the probe asked nothing")

    def _exchange(self, request: Request, name: str) -> Reply:
        for attempt in range(_TRIES):
            # What was made is deleted with the requests that are kept back for it.
            if self.sent + len(self._undos) + 1 + (request.undo is not None) > self.most:
                raise ExhaustedError
            reply = self._send_noted(request, name)
            if reply.status != _LIMITED_STATUS and reply.code not in _BUSY:
                break
            self.pause(_PAUSE_S * 2**attempt)
        if request.undo is not None and not reply.code:
            undo = request.undo(reply)
            if all(
                undo.path != other.path for other in self._undos
            ):  # A replay answers with the first again.
                self._undos.append(undo)
        return reply

    def _send_noted(self, request: Request, name: str) -> Reply:
        """Send a request, and note what it may have made if no answer of Lark's comes."""
        is_answered = False
        try:
            reply = self._send(request, name)
            is_answered = reply.code != _NOT_LARKS
        finally:
            if request.undo is not None and not is_answered:
                self.unanswered.append(request.makes)
        return reply

    def _send(self, request: Request, name: str) -> Reply:
        self.sent += 1
        reply = self.send(request)
        self.corpus.add(name, request, reply)
        return reply

    def _clean_up(self) -> None:
        while self._undos:
            request = self._undos[-1]
            try:
                reply = self._delete(request)
            except _INTERRUPTS:  # A second Ctrl-C does not leave things behind; SIGKILL does.
                self.interrupted = True
                continue
            except CannotProbeError as error:
                reply = Reply(0, _NOT_LARKS, str(error))
            self._undos.pop()
            if reply.code:
                self.left_behind.append(f"{request.method} {request.path}: {reply.code} {reply.msg}")

    def _delete(self, request: Request) -> Reply:
        for attempt in range(_TRIES):
            reply = self._send(request, "deletion")
            if reply.status != _LIMITED_STATUS and reply.code not in _BUSY:
                break
            if self.sent + len(self._undos) > self.most:
                break
            self.pause(_PAUSE_S * 2**attempt)
        return reply


def _make_finding(probe: Probe, status: Any, value: Setting | None = None, reason: str = "") -> Finding:
    return Finding(
        probe.name, probe.fact, status, probe.assumed, probe.setting, probe.rule, value, reason
    )  # fmt: skip


def derive_settings(findings: Iterable[Finding], probes: Iterable[Probe]) -> dict[str, Any]:
    """Return the emulator's settings that follow: those that were found, others as they are by default.

    Args:
        findings: What was found.
        probes: All probes, for the rules of cards that were not probed.
    """
    settings: dict[str, Any] = {}
    rules = {probe.rule: bool(probe.assumed) for probe in probes if probe.rule is not None}
    is_ruled = False
    for finding in findings:
        if finding.value is None or finding.setting is None:
            continue
        if finding.rule is not None:
            is_ruled, rules[finding.rule] = True, bool(finding.value)
        else:
            settings[finding.setting] = finding.value
    if is_ruled:
        settings["card_rules"] = [*(name for name, is_on in rules.items() if is_on), "lock"]
    return settings
