from __future__ import annotations

import os

os.environ["LARKSYNC_APP_ID"] = os.environ["APP_ID"]
os.environ["LARKSYNC_APP_SECRET"] = os.environ["APP_SECRET"]
from larksync.auth import Auth
from larksync.bitable import Bitable

table = Bitable(Auth("tenant"), os.environ["BASE"], os.environ["TABLE"])
table.columns()
list(table.create([{"Name": "flow"}]))
header, rows, refs = table.read()
assert header == ["Name"], header
assert [row["Name"] for row in rows] == ["flow"], rows
table.delete(refs)
assert table.read()[1] == []
