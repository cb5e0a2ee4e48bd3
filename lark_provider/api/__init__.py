"""What Lark can do, described: each function returns a call, a procedure or a listing. Nothing is sent."""
