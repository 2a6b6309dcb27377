"""Ours, read-only inside every sandbox: the supervisor, and what commands find there."""
