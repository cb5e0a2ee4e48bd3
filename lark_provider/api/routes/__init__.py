"""`lark.yaml`: who is asked, and notified, about which DAGs. `model` has the rules, `reading` reads it."""
