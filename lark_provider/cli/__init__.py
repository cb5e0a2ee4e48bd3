"""The command line, `lark-provider`."""
