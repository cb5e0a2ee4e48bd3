"""Lark's operations: each function returns a call, a procedure or a listing. Nothing is sent here."""
