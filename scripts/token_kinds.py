"""Write which endpoints of Lark take another token than a tenant's or a user's, for the emulator.

    .venv/bin/python -m scripts.token_kinds ENDPOINTS.json

`ENDPOINTS.json` holds `{"endpoints": [{"method": …, "path": …, "access_tokens": ["tenant", "user"]}]}`, from
Lark's pages; it wins over the official SDK, which names more endpoints. Only these facts are taken over.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

TARGET = Path("packages/lark-emulator/src/lark_emulator/token_kinds.json")
_METHOD = re.compile(r"http_method = HttpMethod\.(\w+)")
_PATH = re.compile(r'\.uri = \(?\s*"([^"]+)"')
_KINDS = re.compile(r"token_types = \{([^}]*)\}")
_KIND = re.compile(r"AccessTokenType\.(\w+)")
_COMMON = ("tenant", "user")
#: Deprecated endpoints, whose pages the list of endpoints leaves out.
_LEGACY = {
    "POST open-apis/message/v4/send": ("tenant",),
    "GET open-apis/user/v1/batch_get_id": ("tenant",),
}


def shape(path: str) -> str:
    """Return a path whose parameters have no names, as two sources may name them differently."""
    return "/".join(":" if part.startswith(":") else part for part in path.strip("/").split("/"))


def of_sdk() -> dict[str, tuple[str, ...]]:
    """Return the token kinds of each request of the official SDK, read from its source: it is not loaded."""
    spec = find_spec("lark_oapi")
    if spec is None or spec.origin is None:
        sys.exit("lark-oapi must be installed. Next: `make check` installs what development needs.")
    by_endpoint = {}
    for file in (Path(spec.origin).parent / "api").glob("**/model/*_request.py"):
        text = file.read_text("utf-8")
        method, path, kinds = _METHOD.search(text), _PATH.search(text), _KINDS.search(text)
        if method is not None and path is not None and kinds is not None:
            by_endpoint[f"{method[1]} {shape(path[1])}"] = tuple(
                sorted(kind.lower() for kind in _KIND.findall(kinds[1]))
            )
    return by_endpoint


def main() -> None:
    """Write the exceptions."""
    by_endpoint = of_sdk()
    for endpoint in json.loads(Path(sys.argv[1]).read_text("utf-8"))["endpoints"]:
        if endpoint.get("access_tokens"):
            by_endpoint[f"{endpoint['method']} {shape(endpoint['path'])}"] = tuple(
                sorted(endpoint["access_tokens"])
            )
    by_endpoint |= _LEGACY
    listed: dict[str, list[str]] = {}
    for name, kinds in sorted(by_endpoint.items()):
        if kinds and kinds != _COMMON:
            listed.setdefault("+".join(kinds), []).append(name)
    source = (
        f"Written by scripts/token_kinds.py from Lark's pages and lark-oapi {version('lark-oapi')} (MIT): "
        "endpoints that do not take a tenant's and a user's token alike. Parameters of paths have no names."
    )
    TARGET.write_text(json.dumps({"source": source, "endpoints": listed}, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
