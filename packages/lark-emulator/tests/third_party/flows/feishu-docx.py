from __future__ import annotations

import os

from feishu_docx import FeishuExporter

exporter = FeishuExporter(app_id=os.environ["APP_ID"], app_secret=os.environ["APP_SECRET"])
markdown = exporter.export_content(f"https://example.feishu.cn/docx/{os.environ['DOCUMENT']}")
assert "flow of a document" in markdown, markdown
