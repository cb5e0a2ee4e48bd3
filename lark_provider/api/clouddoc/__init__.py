"""Lark's cloud documents."""
