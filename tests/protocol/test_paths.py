"""Paths of requests, as functions; tests/client/test_paths.py sees what arrives on the wire."""

from __future__ import annotations

import pytest

from lark_provider.errors import InvalidRequestError
from lark_provider.protocol.paths import complete_path, fill_path, get_operation


@pytest.mark.parametrize(
    "given",
    ["/a//b", "//a", "/a%2f/b", "/a\\b", "/a%5Cb", "/a%255cb", "/../a", "/a/..", "/a/./b", "/.",
     "/a/%2e%2e/b", "/a/%25252e./b", "/a/..;/b", "/a/%ff", "/a/%c0%ae", "/a/%01", "/a/%250a"],
)  # fmt: skip
def test_a_path_that_could_lead_to_another_is_refused_whatever_makes_it_so(given: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"could lead to another path\. Next: "):
        complete_path(given)


@pytest.mark.parametrize("given", ["", "a", None, 1, b"/a", "/a\n", "/a\x7f"])
def test_what_is_not_a_path_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequestError, match="path must begin with / and be printable"):
        complete_path(given)


@pytest.mark.parametrize("given", ["/a?b=1", "/a#b"])
def test_parameters_are_passed_beside_the_path(given: str) -> None:
    with pytest.raises(InvalidRequestError, match="pass query parameters as params="):
        complete_path(given)


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("/im/v1/messages", "/open-apis/im/v1/messages"),
        ("/open-apis/im/v1/messages", "/open-apis/im/v1/messages"),
        ("/open-apisx", "/open-apis/open-apisx"),
        ("/callback/ws/endpoint", "/callback/ws/endpoint"),
        ("/a/..b/c../d.e/", "/open-apis/a/..b/c../d.e/"),
        ("/a/%E8%A1%A8!A1:B2", "/open-apis/a/%E8%A1%A8!A1:B2"),
        ("/a/%2525", "/open-apis/a/%2525"),
    ],
)
def test_any_other_path_is_called_as_it_was_written(given: str, full: str) -> None:
    assert complete_path(given) == full


@pytest.mark.parametrize(
    "ident", ["", " ", None, 1, ".", "..", "a/b", "a\\b", "a?b", "a#b", "a%b", "a;b", "a\nb"]
)
def test_what_is_not_an_id_becomes_no_segment(ident: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"^record_id must be .*Next: pass the record_id as Lark"):
        fill_path("/apps/{record_id}", record_id=ident)


def test_an_id_is_one_segment_and_the_operation_is_named_without_it() -> None:
    url_path = fill_path("/bitable/v1/apps/{app_token}/tables", app_token=" bas:表 ")
    assert url_path == "/open-apis/bitable/v1/apps/bas%3A%E8%A1%A8/tables"
    assert get_operation(url_path) == "/open-apis/bitable/v1/apps/{app_token}/tables"
    assert get_operation("/open-apis/im/v1/chats/oc_1/members") == "/open-apis/im/v1/chats/{}/members"
    assert get_operation("/open-apis/im/v1/messages/om_abc") == "/open-apis/im/v1/messages/{}"
