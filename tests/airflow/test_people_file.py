"""The people of `lark.yaml`, as the plugin reads them while the file is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.plugins.settings import _People


def test_a_file_that_is_being_written_links_nobody_else_and_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor truncates it first. The error has the click delivered again; "unlinked" would be final."""
    path, people = tmp_path / "lark.yaml", _People()
    path.write_text("people: {ou_a: ann}")
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    assert people.read().users == {"ou_a": "ann"}
    path.write_text("")
    with pytest.raises(ConfigurationError, match=r"has become empty\. Next: "):
        people.read()
    path.write_text("people: {ou_a: ann, ou_b: bob}")
    assert people.read().users == {"ou_a": "ann", "ou_b": "bob"}
