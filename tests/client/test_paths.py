"""No id leads to another path than the one that its operation names, read off the request line on the wire.

Operations are found by looking at what clients offer: a new one is covered without a line here.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lark_provider import AsyncLarkServiceClient, LarkServiceClient
from lark_provider.client.bind import Namespace, _OperationDescriptor
from lark_provider.engine.runtime import PROCESS
from lark_provider.errors import ConfigurationError, InvalidRequestError, LarkError
from tests.client.raw_server import RawServer, http, raw_server

RECORD = {
    "record_id": "rec1",
    "fields": {"No": "1"},
    "field_name": "No",
    "type": 1,
    "open_id": "ou_1",
    "message_id": "om_1",
}
DATA = {
    "items": [RECORD],
    "records": [RECORD],
    "record": RECORD,
    "has_more": False,
    "node": {"obj_type": "bitable", "obj_token": "bascnNode"},
    "app": {"app_token": "bascnApp", "is_advanced": False},
    "image_key": "img_1",
    "file_key": "file_1",
    "message_id": "om_1",
    "instance_code": "I1",
    "approval_code": "A1",
    "status": "PENDING",
    "comment_id": "1",
}
ID_SUFFIXES = ("_id", "_token", "_key", "_code")
NO_IDS = {"idempotency_key"}
TARGET = str(Path(tempfile.gettempdir()) / "lark-path-test")  # the server never sends a file
VALUES: dict[str, Any] = {
    "content": "x", "card": {"elements": []}, "fields": {"No": "1"}, "records": [{"No": "1"}],
    "record_ids": ["rec1"], "name": "B", "field_name": "F", "type": 1, "image": b"x", "file": b"x",
    "target": TARGET, "emails": ["a@b.example"], "mobiles": ["+8613800000000"],
    "key_fields": "No", "email_or_mobile": "a@b.example", "ids": ["ou_1"], "app_ticket": "x",
    "people": ["ou_1"], "instance": "I1", "form": [], "submitter": "ou_1", "author": "ou_1", "reader": "ou_1",
    "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "timezone": "UTC",
    "text": "x", "start": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
}  # fmt: skip
BY_OPERATION: dict[tuple[str, str], Any] = {
    ("send_card", "content"): {"elements": []},
    ("bulk_update", "records"): [("rec1", {"No": "1"})],
    ("download", "type"): "file",
    ("create_table", "fields"): (),
    ("upload_file", "file_name"): "x",
    ("send_file", "file_name"): "x",
    ("list_instances", "end"): dt.datetime(2026, 1, 1, 1, tzinfo=dt.UTC),
}
WITHOUT_REQUEST = {"locate"}
"""What a link says is asked of nobody, unless it leads into the wiki."""


class Case(NamedTuple):
    """One argument of one operation that is an id."""

    area: str
    operation: str
    argument: str

    @property
    def label(self) -> str:
        return f"{self.area}.{self.operation}({self.argument})"


def areas(kind: type, prefix: str = "") -> Iterator[tuple[str, type[Namespace[Any]]]]:
    """Yield all namespaces that a class offers, including nested ones, with their paths."""
    probe = LarkServiceClient("cli_1", "s") if not prefix else None
    for name in dir(kind):
        if name.startswith("_") or name in {"sdk", "app_id", "base_url"}:
            continue
        attribute = getattr(kind, name)
        if probe is not None and not inspect.isfunction(attribute):
            attribute = getattr(probe, name)
        elif hasattr(attribute, "func"):
            attribute = attribute.func(kind(None))
        if isinstance(attribute, Namespace):
            yield f"{prefix}{name}", type(attribute)
            yield from areas(type(attribute), f"{prefix}{name}.")


def operations() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    for area, kind in areas(LarkServiceClient):
        for name, bound in vars(kind).items():
            if isinstance(bound, _OperationDescriptor):
                yield area, name, bound.build


def is_id(name: str) -> bool:
    return name.endswith(ID_SUFFIXES) and name not in NO_IDS


def arguments(name: str, build: Callable[..., Any], ident: str) -> dict[str, Any]:
    """Return valid arguments for an operation; each id contains the name of its argument."""
    kwargs: dict[str, Any] = {}
    for parameter in inspect.signature(build).parameters.values():
        if (name, parameter.name) in BY_OPERATION:
            kwargs[parameter.name] = BY_OPERATION[name, parameter.name]
        elif is_id(parameter.name):
            kwargs[parameter.name] = f"{ident}-{parameter.name}".replace("_", "")
        elif parameter.default is parameter.empty:
            assert parameter.name in VALUES, f"{name}: write a value for {parameter.name!r} into VALUES"
            kwargs[parameter.name] = VALUES[parameter.name]
    return kwargs


OPERATIONS = {f"{area}.{name}": build for area, name, build in operations()}
CASES = [
    Case(area, name, parameter)
    for area, name, build in operations()
    for parameter in inspect.signature(build).parameters
    if is_id(parameter) and name not in WITHOUT_REQUEST
]
CLIMBING = [
    "..", ".", " .. ", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%2f", "..%2f..", "../..", "../x", "a/../..",
    "..\\", "a\\..\\b", "..;", "..;/x", "?", "a?b", "#", "a#b", "/", "a/b", "", " ", "\t", "\ud800",
    "\uff0e\uff0e", "a b", "rec1", "Q7PlXT!A1:B5", "é",
]  # fmt: skip
IDS = st.sampled_from(CLIMBING) | st.text(".%2eEfF/\\;?#5cC \t", max_size=8) | st.text(max_size=12)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server(lambda _: http({"code": 0, "msg": "ok", "data": DATA})) as running:
        yield running


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


Outcome = tuple[list[tuple[str, str]], LarkError | None]
Play = Callable[[Callable[[Any], Any]], Outcome]


@pytest.fixture(params=["sync", "async"])
def play(request: pytest.FixtureRequest, server: RawServer, loop: asyncio.Runner) -> Play:
    """Return a function that runs `work(client)`; it returns the requests received and the error raised."""

    async def work_async(work: Callable[[Any], Any]) -> None:
        result = work(AsyncLarkServiceClient("cli_1", "s", base_url=server.url))
        if isinstance(result, AsyncIterator):
            async for _ in result:
                pass
        elif inspect.isawaitable(result):
            await result

    def run(work: Callable[[Any], Any]) -> Outcome:
        PROCESS.answers.clear()
        PROCESS.users.clear()
        server.everything.clear()
        error: LarkError | None = None
        try:
            if request.param == "async":
                loop.run(work_async(work))
            else:
                result = work(LarkServiceClient("cli_1", "s", base_url=server.url))
                if isinstance(result, Iterator):
                    list(result)
        except LarkError as raised:
            error = raised
        return [(seen.method, seen.path) for seen in server.requests], error

    return run


def make_call(case: Case, kwargs: dict[str, Any]) -> Callable[[Any], Any]:
    def work(client: Any) -> Any:
        holder = client
        for part in case.area.split("."):
            holder = getattr(holder, part)
        return getattr(holder, case.operation)(**kwargs)

    return work


def test_operations_are_found() -> None:
    labels = {case.label for case in CASES}
    assert {"clouddoc.bitable.delete_record(record_id)", "messaging.recall(message_id)"} <= labels
    assert len(OPERATIONS) >= 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_an_id_stays_in_its_place(case: Case, play: Play) -> None:
    build = OPERATIONS[f"{case.area}.{case.operation}"]
    plain = arguments(case.operation, build, "id")
    usual, _ = play(make_call(case, plain))
    assert usual, f"{case.label}: nothing was asked with usual arguments"
    in_path = any(plain[case.argument] in path for _, path in usual)

    @settings(max_examples=20, deadline=None)
    @given(ident=IDS)
    def holds(ident: str) -> None:
        requests, error = play(make_call(case, plain | {case.argument: ident}))
        placed = [
            (method, path.replace(plain[case.argument], quote(ident.strip(), safe="", errors="replace")))
            for method, path in usual
        ]
        assert requests == placed[: len(requests)]
        assert not any(climbs(path) for _, path in requests)
        if len(requests) < len(usual):
            assert error is not None
            assert "Next: " in str(error)
        if in_path and len(requests) < len(usual):
            assert isinstance(error, (InvalidRequestError, ConfigurationError))
            assert case.argument in str(error) or ("://" in ident and "The link must lead" in str(error))

    holds()
    if in_path:
        for ident in ("..", ".", "%2e%2e"):
            sent, error = play(make_call(case, plain | {case.argument: ident}))
            assert isinstance(error, InvalidRequestError), ident
            assert case.argument in str(error)
            assert not any(method != "GET" for method, _ in sent)


def climbs(path: str) -> bool:
    """Return whether a path contains a `.` or `..` segment after any number of decodings."""
    decoded, encoded = unquote(path), path
    while decoded != encoded:
        decoded, encoded = unquote(decoded), decoded
    return any(segment.partition(";")[0] in {".", ".."} for segment in decoded.replace("\\", "/").split("/"))


@pytest.mark.parametrize("operation", ["delete_record", "update_record", "search_records", "bulk_delete"])
@pytest.mark.parametrize(
    "link",
    [
        "https://x.feishu.cn/base/..?table=tbl1",
        "https://x.feishu.cn/base/%2e%2e?table=tbl1",
        "https://x.feishu.cn/base/bascn1?table=..",
        "https://x.feishu.cn/base/bascn1?table=%2e%2e",
        "https://x.feishu.cn/base/bascn1?table=a%2F..%2Fb",
        "https://x.feishu.cn/wiki/wikcn1?table=..",
    ],
)
def test_links_lead_to_no_other_path(operation: str, link: str, play: Play) -> None:
    case = Case("clouddoc.bitable", operation, "app_token")
    given_ = arguments(operation, OPERATIONS[f"clouddoc.bitable.{operation}"], "id")
    requests, error = play(make_call(case, given_ | {"app_token": link, "table_id": None}))
    assert isinstance(error, InvalidRequestError)
    assert {path for _, path in requests} <= {"/open-apis/wiki/v2/spaces/get_node"}


PATHS = [
    "/im/v1/messages/..", "/im/v1/./messages", "/a/../b", "/a/%2e%2e/b", "/a/%2E/b", "/a/.%2e",
    "/a/%252e%252e/b", "/a/..%2fb", "/a/..;x/b", "/a\\..\\b", "/a/%5c..%5c/b", "/a?b=1", "/a#b", "/a//b",
    "//a/b", "/..",
    "/im/v1/messages/%c0%ae%c0%ae", "/im/v1/messages/%25c0%25ae.", "/im/v1/messages/..%09", "/im/v1/m%0d%0a",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_could_lead_elsewhere_is_not_called(path: str, play: Play) -> None:
    requests, error = play(lambda client: client.call("DELETE", path))
    assert requests == []
    assert isinstance(error, InvalidRequestError)
    assert "path must " in str(error)


def test_a_path_that_is_called_is_the_one_that_was_written(play: Play) -> None:
    @settings(max_examples=150, deadline=None)
    @given(path=st.text("/.%2eEfF;?#\\aZ5c-_", max_size=14) | st.text(max_size=8))
    def holds(path: str) -> None:
        requests, error = play(lambda client: client.call("GET", f"/{path}"))
        if error is not None:
            assert requests == []
        else:
            ((_, sent),) = requests
            assert unquote(sent) == unquote(f"/open-apis/{path}")
            assert not climbs(sent)

    holds()


@pytest.mark.parametrize("path", ["/message/v4/batch_send/", "/sheets/v2/spreadsheets/s/values/Q7PlXT!A1:B5"])
def test_larks_own_paths_pass(path: str, play: Play) -> None:
    assert play(lambda client: client.call("GET", path)) == ([("GET", f"/open-apis{path}")], None)
