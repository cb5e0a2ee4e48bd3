"""The official SDK takes the answers that were made from its own models, for endpoints of many kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark_emulator import Emulator
    from tests.conformance.conftest import Sdk


def test_the_sdk_reads_them(sdk: Sdk, lark: Emulator) -> None:
    lark.settings(fallback_answers=True)
    client = sdk.client(lark)
    answer = client.drive.v1.file_version.list(sdk.request(sdk.drive, "ListFileVersion", file_token="tok_1"))
    assert answer.success(), answer.msg
    (version,) = answer.data.items
    assert (answer.data.has_more, version.parent_token) == (False, "fallback_parent_token")
    response = client.contact.v3.functional_role_member.get(
        sdk.request(sdk.contact, "GetFunctionalRoleMember", role_id="r", member_id="m")
    )
    assert response.success(), response.msg
    assert response.data.member.scope_type == ""
