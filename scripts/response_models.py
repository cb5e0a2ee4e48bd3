"""Write the shapes of Lark's answers, as the response models of the official SDK have them.

    .venv/bin/python -m scripts.response_models

Only the names of members and their types are taken over, which are facts of Lark's interface. The SDK is
read, not loaded. In the file a type is `s` (string), `i` (integer), `f` (number), `b` (boolean), `a`
(anything), a number (an object: the model of that number), or a list that holds the type of its items.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TARGET = Path("packages/lark-emulator/src/lark_emulator/fallback/response_models.json")
_METHOD = re.compile(r"http_method = HttpMethod\.(\w+)")
_PATH = re.compile(r'\.uri = \(?\s*"([^"]+)"')
_PLAIN = {"str": "s", "int": "i", "float": "f", "bool": "b", "Any": "a", "object": "a", "bytes": "a"}


class Models:
    """The models of one package of the SDK (`api/im/v1/model`), numbered among those of all.

    Args:
        folder: the package.
        shapes: collects the members of each model.
    """

    def __init__(self, folder: Path, shapes: list[dict[str, Any]]) -> None:
        self._shapes = shapes
        self._numbers: dict[str, int] = {}
        self._members: dict[str, dict[str, ast.expr]] = {}
        for file in sorted(folder.glob("*.py")):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    self._members[node.name] = _read_types(node)

    def assign_number(self, name: str) -> int | None:
        """Return the number of a model, or None if the SDK does not have it."""
        if name not in self._members:
            return None
        if name not in self._numbers:
            self._numbers[name] = len(self._shapes)
            shape: dict[str, Any] = {}
            self._shapes.append(shape)
            shape.update({member: self._describe_type(node) for member, node in self._members[name].items()})
        return self._numbers[name]

    def _describe_type(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return _PLAIN.get(node.id) or self._or_anything(self.assign_number(node.id))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return self._or_anything(self.assign_number(node.value))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "List":
            return [self._describe_type(node.slice)]
        return "a"

    @staticmethod
    def _or_anything(number: int | None) -> Any:
        return "a" if number is None else number

    def find_data(self, response: str) -> int | None:
        """Return the number of the model of `data` in a response; None if it has none."""
        node = self._members.get(response, {}).get("data")
        return self.assign_number(node.id) if isinstance(node, ast.Name) else None


def _read_types(node: ast.ClassDef) -> dict[str, ast.expr]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            (target,) = statement.targets
            if isinstance(target, ast.Name) and target.id == "_types":
                pairs = zip(statement.value.keys, statement.value.values, strict=True)
                return {
                    key.value: value
                    for key, value in pairs
                    if isinstance(key, ast.Constant) and isinstance(key.value, str)
                }
    return {}


def main() -> None:
    """Write the file."""
    spec = find_spec("lark_oapi")
    if spec is None or spec.origin is None:
        sys.exit("lark-oapi must be installed. Next: `make check` installs what development needs.")
    shapes: list[dict[str, Any]] = []
    endpoints: dict[str, int | None] = {}
    for folder in sorted((Path(spec.origin).parent / "api").glob("*/*/model")):
        models = Models(folder, shapes)
        for file in sorted(folder.glob("*_request.py")):
            text = file.read_text("utf-8")
            method, path = _METHOD.search(text), _PATH.search(text)
            response = re.search(r"class (\w+)Request\(", text)
            if method is None or path is None or response is None or not path[1].startswith("/open-apis/"):
                continue
            answer = file.with_name(file.name.replace("_request.py", "_response.py"))
            if not answer.exists() or "self.file:" in answer.read_text("utf-8"):  # not JSON but a file
                continue
            endpoints[f"{method[1]} {path[1]}"] = models.find_data(f"{response[1]}Response")
    content = {
        "source": f"lark-oapi {version('lark-oapi')} (MIT), read by scripts/response_models.py",
        "endpoints": dict(sorted(endpoints.items())),
        "models": shapes,
    }
    text = json.dumps(content, separators=(",", ":"))
    # A line for each endpoint and model, so that a change can be read.
    TARGET.write_text(re.sub(r'(?<=[}\d l]),(?="[A-Z]+ /)|(?<=\}),(?=\{)', ",\n", text) + "\n", "utf-8")


if __name__ == "__main__":
    main()
