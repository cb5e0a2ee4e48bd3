"""An endpoint that Lark has and the emulator has not."""

from __future__ import annotations

import pytest
from lark_emulator import Emulator

from lark_provider import LarkServiceClient
from lark_provider.errors import NotEmulatedError

PATH = "/open-apis/okr/v1/periods"


def test_it_is_named_and_never_retried(lark: Emulator) -> None:
    with pytest.raises(NotEmulatedError, match=rf"not emulated: GET {PATH}.*Next: answer it in") as caught:
        LarkServiceClient().call("GET", PATH)
    assert (caught.value.http_status, caught.value.retryable) == (501, False)
    assert lark.state(summary=True)["not_emulated"] == {f"GET {PATH}": 1}


def test_a_501_of_something_else_is_a_failure_of_that(lark: Emulator) -> None:
    lark.fault(path=PATH, status=501, times=9)
    with pytest.raises(Exception, match="Next") as caught:
        LarkServiceClient(max_retries=0).call("GET", PATH)
    assert not isinstance(caught.value, NotEmulatedError)
