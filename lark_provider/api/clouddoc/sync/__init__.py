"""Keep a Bitable table in step with a source, by key. `procedure.sync` is the operation."""
