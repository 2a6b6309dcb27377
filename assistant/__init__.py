"""The `assistant` command: configuration, REPL, wiring."""
