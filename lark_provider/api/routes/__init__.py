"""`lark.yaml`: who is asked and told about which DAGs. See `model` for the rules, `reading` for the file."""
