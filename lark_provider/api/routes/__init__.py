"""`lark.yaml`: who is asked, and notified, about which DAGs. See `model` for the rules, `reading` for the file."""
