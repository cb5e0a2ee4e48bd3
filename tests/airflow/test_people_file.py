"""The people of `lark.yaml`, as the plugin reads them while the file is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lark_provider.errors import ConfigurationError
from lark_provider.plugins.settings import _People


@pytest.mark.parametrize("broken", ["", "people: {ou_a: ann, ou_b: bob", "people: {ou_a: 7}", b"\xff", None])
def test_a_file_that_is_not_usable_for_a_moment_links_nobody_else_and_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str | bytes | None
) -> None:
    """An editor truncates it first. The error has the click delivered again; "unlinked" would be final."""
    path, people = tmp_path / "lark.yaml", _People()
    path.write_text("people: {ou_a: ann}")
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    assert people.read().users == {"ou_a": "ann"}
    if broken is None:
        path.unlink()
    else:
        path.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"Next: "):
            people.read()
    path.write_text("people: {ou_a: ann, ou_b: bob}")
    assert people.read().users == {"ou_a": "ann", "ou_b": "bob"}


def test_a_file_that_is_missing_at_first_is_read_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, people = tmp_path / "lark.yaml", _People()
    monkeypatch.setenv("LARK_ROUTES_PATH", str(path))
    with pytest.raises(ConfigurationError, match=r"lark\.yaml.*Next: "):
        people.read()
    path.write_text("{people: {ou_a: ann}, routes: nonsense}")
    assert people.read().users == {"ou_a": "ann"}
