"""Perform chat commands in Airflow as the person who typed them: Airflow checks every permission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from lark_provider.plugins.in_process import AirflowReply, InProcess
from lark_provider.plugins.json_schema import find_violations
from lark_provider.protocol.commands.arguments import convert
from lark_provider.protocol.commands.delivery import (
    CommandOutcome,
    CommandResult,
    DeliveredCommand,
    make_run_id,
)
from lark_provider.protocol.errors import InvalidRequestError
from lark_provider.support import threads

_CONFLICT, _NOT_FOUND = 409, 404
_RUNS, _TASKS = "5", "100"
_TEXTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "started": (
            "已由 Airflow 用户 {person} 启动 {dag}，运行 ID：{run}。结束后会在此回复。",
            "{dag} was started by the Airflow user {person}, run {run}. The end is reported here.",
        ),
        "paused": (
            "该 DAG 已暂停，恢复后才会执行。",
            "The DAG is paused: the run waits until it is resumed.",
        ),
        "no_runs": ("{dag} 还没有运行记录。", "{dag} has no runs."),
        "invalid": ("命令有误：{reason}", "Invalid command: {reason}"),
        "unproven": ("请求未通过验证。", "The request is not proven."),
        "unlinked": (
            "你还没有关联 Airflow 用户。关联链接已单独发给你，完成后请重新发送命令。",
            "You are not linked to an Airflow user. Open the link that was sent to you, then try again.",
        ),
        "forbidden": (
            "Airflow 用户 {person} 没有权限执行此操作。请联系 Airflow 管理员。",
            "The Airflow user {person} is not allowed to do this. Ask an administrator of Airflow.",
        ),
        "not_found": ("Airflow 中没有 {dag}。", "Airflow has no DAG {dag}."),
        "busy": ("Airflow 正忙，稍后会自动重试。", "Airflow is busy; it is tried again soon."),
        "unavailable": (
            "Airflow 或数据库暂时不可用，稍后会自动重试。",
            "Airflow or the database is unavailable; it is tried again soon.",
        ),
    }
)


def describe(name: str, **values: str) -> dict[str, str]:
    """Return the message for a person, by language.

    Args:
        name: The outcome of the command.
        values: The values of the placeholders in the sentence, by name.
    """
    return {
        language: text.format_map(values) for language, text in zip(("zh", "en"), _TEXTS[name], strict=True)
    }


async def perform(airflow: InProcess, command: DeliveredCommand, person: str) -> CommandResult:
    """Perform a command.

    Args:
        airflow: Airflow, as the person.
        command: The command.
        person: The person's name in Airflow.
    """
    dag = f"/dags/{quote(command.dag_id, safe='')}"
    if command.act == "run":
        return await _run(airflow, command, dag, person)
    most = "1" if command.act == "status" else _RUNS
    reply = await airflow.call("GET", f"{dag}/dagRuns", order_by="-run_after", limit=most)
    if not reply.is_ok:
        return _make_refusal_result(reply, command, person)
    runs = reply.body["dag_runs"]
    if not runs:
        return CommandResult("shown", describe("no_runs", dag=command.dag_id))
    lines = [f"{command.dag_id}:", *(_describe_run(run) for run in runs)]
    if command.act == "status":
        tasks = await airflow.call(
            "GET", f"{dag}/dagRuns/{quote(runs[0]['dag_run_id'], safe='')}/taskInstances", limit=_TASKS
        )
        if not tasks.is_ok:
            return _make_refusal_result(tasks, command, person)
        lines += _describe_tasks(tasks.body["task_instances"], int(tasks.body["total_entries"]))
    text = "\n".join(lines)
    return CommandResult("shown", {"zh": text, "en": text})


async def _run(airflow: InProcess, command: DeliveredCommand, dag: str, person: str) -> CommandResult:
    details = await airflow.call("GET", f"{dag}/details")
    if not details.is_ok:
        return _make_refusal_result(details, command, person)
    params = details.body.get("params") or {}
    try:
        conf = convert(command.arguments, params)
    except InvalidRequestError as error:
        return _make_invalid_result(str(error))
    if faults := await threads.run(lambda: _find_faults(conf, params)):
        return _make_invalid_result(faults)
    run_id = make_run_id(command.message_id)
    body = {
        "dag_run_id": run_id,
        "logical_date": None,
        "conf": conf,
        "note": f"Started in Lark by {person}"[:1000],
    }
    done = await airflow.call("POST", f"{dag}/dagRuns", body)
    if done.status == _CONFLICT:  # The command was delivered again after its answer was lost: the run exists.
        done = await airflow.call("GET", f"{dag}/dagRuns/{run_id}")
    if not done.is_ok:
        return _make_refusal_result(done, command, person)
    text = describe("started", person=person, dag=command.dag_id, run=run_id)
    if details.body.get("is_paused"):
        text = {
            language: f"{sentence}\n{describe('paused')[language]}" for language, sentence in text.items()
        }
    return CommandResult("started", text, run_id=run_id)


def _find_faults(conf: Mapping[str, Any], params: Mapping[str, Any]) -> str:
    """Return what is wrong with params, as Airflow's own check would find when the run starts; else nothing.

    Params that the command does not give keep their defaults, and a default may be missing. It blocks.

    Raises:
        SchemaCheckError: The values could not be checked.
    """
    values = {
        name: (conf.get(name, param.get("value")), param.get("schema") or {})
        for name, param in params.items()
    }
    return "; ".join(f"{name}: {texts['en']}" for name, texts in find_violations(values).items())


def _describe_run(run: Mapping[str, Any]) -> str:
    began = str(run.get("start_date") or run.get("queued_at") or "")[:19]
    return f"{run['state']} · {run['dag_run_id']}" + (f" · {began}Z" if began else "")


def _describe_tasks(tasks: list[Mapping[str, Any]], total: int) -> list[str]:
    counts = Counter(str(task.get("state") or "none") for task in tasks)
    shown = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    rest = f" ({len(tasks)}/{total})" if total > len(tasks) else ""
    failed = [str(task["task_id"]) for task in tasks if task.get("state") in {"failed", "upstream_failed"}]
    return [f"{shown}{rest}"] + ([f"failed: {', '.join(failed[:10])}"] if failed else [])


def _make_invalid_result(reason: str) -> CommandResult:
    return CommandResult("invalid", describe("invalid", reason=reason))


def _make_refusal_result(reply: AirflowReply, command: DeliveredCommand, person: str) -> CommandResult:
    if reply.is_unavailable:
        return CommandResult("unavailable", describe("unavailable"))
    outcome: CommandOutcome = "not_found" if reply.status == _NOT_FOUND else "forbidden"
    if reply.status in {401, 403, _NOT_FOUND}:
        return CommandResult(outcome, describe(outcome, person=person, dag=command.dag_id))
    return _make_invalid_result(reply.detail or f"HTTP {reply.status}")
