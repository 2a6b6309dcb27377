"""A small process of ours beside each session: it mounts, starts sandboxes and cleans up."""
