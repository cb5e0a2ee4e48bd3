"""The check of values by their JSON schemas, as Airflow's `Param` does it.

A pattern can take practically forever on a text (`^(a+)+$` on 40 letters), and `re` keeps the GIL meanwhile:
in a thread it would stop the whole API server. So schemas with a pattern are checked in a process of their
own, with a limit of CPU time, by the same library, since an engine without backtracking judges some values
differently (in RE2, no Chinese character is a letter of a word).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from lark_provider.protocol.errors import LarkError
from lark_provider.protocol.hitl.schema import localize
from lark_provider.protocol.language import LocalizedText

_MAX_CHARS = 200
_CPU_SECONDS = 1.0
"""Of the check alone, without starting the process: on a busy machine it has as much."""
_PROCESS_SECONDS = 15.0
"""For the whole process: shorter than the 30 s in which a click has to be processed."""
_TOO_SLOW = localize(
    "格式检查耗时过长，请修改内容，或在 Airflow 中处理",
    "takes too long to be checked by its pattern; change it, or act in Airflow",
)


class SchemaCheckError(LarkError):
    """The process that checks values did not answer."""

    retryable = True


def find_violations(values: Mapping[str, tuple[object, Mapping[str, Any]]]) -> dict[str, LocalizedText]:
    """Return what is wrong with values, by name; what is right is missing. It blocks.

    An invalid schema is among what is wrong: Airflow would fail the task.

    Args:
        values: Values with their JSON schemas, by name.

    Raises:
        SchemaCheckError: The process that checks patterns ended, or did not answer in 15 s.
    """
    entries = [(name, value, schema) for name, (value, schema) in values.items()]
    is_bounded = any('"pattern' in _dump(schema) for _, _, schema in entries)
    answers = list(_check_in_process(entries) if is_bounded else _check(entries))
    violations = {name: text for name, text in answers if text is not None}
    if len(answers) < len(entries):  # The limit of CPU time ended the process at the next one.
        violations[entries[len(answers)][0]] = _TOO_SLOW
    return violations


def _check(
    entries: Iterable[tuple[str, object, Mapping[str, Any]]],
) -> Iterator[tuple[str, LocalizedText | None]]:
    from jsonschema import FormatChecker
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    for name, value, schema in entries:
        try:
            kind = validator_for(schema, default=Draft202012Validator)
            # An empty registry: references to other places must not be fetched from here, as Airflow would.
            checker = cast("Any", kind)(schema, registry=Registry(), format_checker=FormatChecker())
            yield name, _describe(next(checker.iter_errors(value), None))
        except Exception as error:  # noqa: BLE001 - a schema may be invalid in any way
            reason = type(error).__name__
            yield name, localize(f"无法检查：{reason}", f"cannot be checked: {reason}")


def _describe(error: Any) -> LocalizedText | None:
    if error is None:
        return None
    if error.validator == "pattern":
        pattern = str(error.validator_value)[:_MAX_CHARS]
        return localize(f"必须符合格式 {pattern}", f"must match the pattern {pattern}")
    text = str(error.message)[:_MAX_CHARS]
    return localize(text, text)


def _check_in_process(
    entries: list[tuple[str, object, Mapping[str, Any]]],
) -> Iterator[tuple[str, LocalizedText | None]]:
    # `-P`, so that no file of the working directory is taken for a module.
    command = [sys.executable, "-P", "-m", __name__]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603 - ours, and values go through the pipe
            command,
            input=_dump(entries).encode(),
            env=environment,
            capture_output=True,
            timeout=_PROCESS_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _make_error(f"failed with {type(error).__name__}") from None
    if done.returncode not in {0, -signal.SIGVTALRM}:
        raise _make_error(f"ended with {done.returncode}")
    for line in done.stdout.splitlines():
        name, text = json.loads(line)
        yield name, text


def _make_error(what: str) -> SchemaCheckError:
    return SchemaCheckError(
        f"The process that checks values by their patterns must answer in {_PROCESS_SECONDS:g} s, and "
        f"{what}. Next: see whether this host has enough CPU time and memory; the check is repeated."
    )


def _dump(value: object) -> str:
    return json.dumps(value, default=dict)


def _serve() -> None:
    """Check the values of standard input, and write a line for each."""
    entries = json.load(sys.stdin)
    for _ in _check([("", "", {})]):  # It imports the library, which does not count.
        pass
    # The kernel ends the process: a handler of Python's would wait for `re`.
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_SECONDS)
    for answer in _check(entries):
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
