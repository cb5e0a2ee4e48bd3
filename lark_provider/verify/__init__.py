"""Find out how a real tenant behaves where Lark's documents are silent or clash."""

from __future__ import annotations
