"""Write the list of Lark's endpoints that the emulator knows of: those of the official SDK and of a list.

    .venv/bin/python -m scripts.known_endpoints ENDPOINTS.json

`ENDPOINTS.json` holds `{"endpoints": [{"method": …, "path": …}]}`, for those that the SDK has no call for.
What the list has already stays. Only methods and paths are taken over, which are facts of Lark's interface.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

TARGET = Path("packages/lark-emulator/src/lark_emulator/known_endpoints.txt")
_METHOD = re.compile(r"http_method = HttpMethod\.(\w+)")
_PATH = re.compile(r'\.uri = \(?\s*"([^"]+)"')


def of_sdk() -> Iterator[tuple[str, str]]:
    """Return method and path of each request of the official SDK, read from its source: it is not loaded."""
    spec = find_spec("lark_oapi")
    if spec is None or spec.origin is None:
        sys.exit("lark-oapi must be installed. Next: `make check` installs what development needs.")
    for file in (Path(spec.origin).parent / "api").glob("**/model/*_request.py"):
        text = file.read_text("utf-8")
        method, path = _METHOD.search(text), _PATH.search(text)
        if method is not None and path is not None:
            yield method[1], path[1]


def main() -> None:
    """Write the list."""
    listed = json.loads(Path(sys.argv[1]).read_text("utf-8"))["endpoints"]
    old = (line.rpartition(" ") for line in TARGET.read_text("utf-8").splitlines() if line.startswith("/"))
    endpoints = {
        *of_sdk(),
        *((endpoint["method"], endpoint["path"]) for endpoint in listed),
        *((m, p) for p, _, m in old),
    }
    lines = sorted(f"{path} {method}" for method, path in endpoints if path.startswith("/open-apis/"))
    head = (
        f"# Lark's endpoints: of lark-oapi {version('lark-oapi')} (MIT) and of Lark's pages.\n"
        "# Written by scripts/known_endpoints.py; what is not emulated of them answers 501.\n"
    )
    TARGET.write_text(head + "\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
