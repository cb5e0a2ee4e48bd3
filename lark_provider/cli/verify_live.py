"""`lark-provider verify-live`: find out how a real tenant behaves where Lark's documents are silent."""

from __future__ import annotations

import argparse
import dataclasses
import json
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lark_provider import __version__
from lark_provider.cli import logs, terminal
from lark_provider.cli.arguments import WrongUseError, add_app_options
from lark_provider.cli.output import format_line, print_json, render_table
from lark_provider.support.termination import exit_on_sigterm
from lark_provider.verify import catalogue
from lark_provider.verify.corpus import Corpus
from lark_provider.verify.probe import Finding, Probe, ProbeTarget
from lark_provider.verify.runner import Runner, derive_settings
from lark_provider.verify.tenant import Tenant

_MAX_CALLS = 300
_INTERRUPTED = 130
_MARKS = {"confirmed": "ok  ", "contradicted": "DIFF", "could not be probed": "-   "}


def add_to(commands: Any) -> None:
    """Add the command to what `add_subparsers` returned."""
    command = commands.add_parser(
        "verify-live",
        help="probe what Lark's documents leave open, in a real tenant",
        description="Probe with a throwaway app how a real tenant behaves where Lark's documents are silent "
        "or clash, and print what is confirmed, contradicted, or could not be probed. It makes a group, a "
        "base, spreadsheets and a document of its own, writes to nothing else unless it is named, and "
        "deletes what it made, also after Ctrl-C or SIGTERM. Ends with 0 whatever it found, and with 1 if it "
        "left something behind.",
    )
    add_app_options(command)
    command.add_argument("--list", action="store_true", help="print the probes and send nothing")
    command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="run this probe only, repeatable; card_rules stands for all of its kind",
    )
    command.add_argument("--yes", action="store_true", help="do not ask before the first request")
    command.add_argument(
        "--max-calls",
        type=int,
        default=_MAX_CALLS,
        metavar="N",
        help=f"requests at most (default: {_MAX_CALLS})",
    )
    command.add_argument("--chat", metavar="CHAT_ID", help="send messages here (default: to a new group)")
    command.add_argument("--folder", metavar="TOKEN", help="make documents here (default: the app's space)")
    command.add_argument("--person", metavar="OPEN_ID", help="share a document that is made with this person")
    command.add_argument("--corpus", type=Path, metavar="FILE", help="write the exchanges, without ids, here")
    command.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="write the settings for `lark-emulator --seed FILE.json`",
    )
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the probes and print what they found."""
    logs.silence()
    try:
        probes = catalogue.select_probes(tuple(arguments.only))
    except KeyError as error:
        raise WrongUseError(
            f"--only must name a probe, got {error.args[0]!r}. Next: see `lark-provider verify-live --list`."
        ) from None
    if arguments.max_calls < 1:
        raise WrongUseError(f"--max-calls must be 1 or more, got {arguments.max_calls}. Next: pass more.")
    if arguments.settings is not None and arguments.settings.suffix != ".json":
        raise WrongUseError(f"--settings must end with .json, got {arguments.settings}. Next: rename it.")
    for option, file in (("--corpus", arguments.corpus), ("--settings", arguments.settings)):
        if file is not None and (file.is_dir() or not file.parent.is_dir()):  # not after all the requests
            raise WrongUseError(
                f"{option} must be a file in a folder that exists, got {file}. Next: make it."
            )
    if arguments.list:
        return _print_list(probes, as_json=arguments.json)
    with exit_on_sigterm() as exit_if_signalled, Tenant(arguments.app_id, arguments.tenant_key) as tenant:
        app = tenant.app
        if not (arguments.yes or _is_confirmed(len(probes), app.base_url, app.app_id)):
            print("Nothing was sent.")
            return 1
        tenant.authorize()
        named = [
            identifier for identifier in (arguments.chat, arguments.folder, arguments.person) if identifier
        ]
        target = ProbeTarget(
            app.app_id,
            app.app_secret,
            f"verify-{secrets.token_hex(8)}",
            arguments.chat,
            arguments.folder,
            arguments.person,
        )
        runner = Runner(
            tenant.send,
            time.sleep,
            target,
            arguments.max_calls,
            Corpus((app.app_id, app.app_secret, *named)),
        )

        def on_finding(finding: Finding) -> None:
            if not arguments.json:  # JSON is printed at the end.
                _tell(finding)
            exit_if_signalled()

        findings = runner.run(probes, on_finding)
        code = _finish(arguments, runner, findings)
        exit_if_signalled()  # With the code of SIGTERM, now that what was left behind is printed.
    return code


def _finish(arguments: argparse.Namespace, runner: Runner, findings: list[Finding]) -> int:
    settings = derive_settings(findings, catalogue.PROBES)
    if arguments.corpus is not None:
        head = {"version": __version__, "day": datetime.now(UTC).date().isoformat()}
        _write(arguments.corpus, {**head, "exchanges": runner.corpus.entries})
    if arguments.settings is not None:
        _write(arguments.settings, {"settings": settings})
    if arguments.json:
        print_json(
            {
                "requests": runner.sent,
                "findings": [dataclasses.asdict(finding) for finding in findings],
                "settings": settings,
                "left_behind": runner.left_behind,
                "unanswered": runner.unanswered,
            }
        )
    else:
        _sum_up(runner, findings)
    for request in runner.left_behind:
        print(
            f"lark-provider: could not be deleted: {request}. Next: send this again, or delete it by hand.",
            file=sys.stderr,
        )
    for place in runner.unanswered:
        print(
            f"lark-provider: an answer was lost, and this may be left behind: {place}. Next: look for it, "
            "and delete it by hand.",
            file=sys.stderr,
        )
    if runner.interrupted:
        return _INTERRUPTED
    return 1 if runner.left_behind or runner.unanswered else 0


def _write(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _print_list(probes: tuple[Probe, ...], *, as_json: bool) -> int:
    if as_json:
        print_json(
            [
                {
                    "name": probe.name,
                    "fact": probe.fact,
                    "setting": probe.setting,
                    "assumed": probe.assumed,
                    "answers": probe.answers,
                    "max_calls": probe.calls,
                }
                for probe in probes
            ]
        )
        return 0
    rows = [(probe.name, str(probe.calls), _format(probe.assumed), probe.fact) for probe in probes]
    print(render_table(("probe", "requests", "assumed", "fact"), rows))
    print()
    for lot in catalogue.UNPROBED:
        print(f"Not probed, as {lot.reason}: {', '.join(lot.settings)}.")
    return 0


def _tell(finding: Finding) -> None:
    detail = f"({format_line(finding.reason)})" if finding.reason else ""
    if finding.value is not None:
        detail = f"{_format(finding.value)}" + (
            f", not {_format(finding.assumed)} as assumed" if finding.status == "contradicted" else ""
        )
    print(f"{_MARKS[finding.status]} {finding.name:<28} {finding.status}: {detail}", flush=True)


def _format(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sum_up(runner: Runner, findings: list[Finding]) -> None:
    counts = {status: sum(finding.status == status for finding in findings) for status in _MARKS}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    end = "Interrupted. " if runner.interrupted else ""
    print(f"{end}{summary}; {runner.sent} requests sent.")


def _is_confirmed(count: int, base_url: str, app_id: str) -> bool:
    what = f"Run {count} probe(s) as app {app_id} at {base_url}?"
    return terminal.confirm(f"{what} What they make is deleted.")
