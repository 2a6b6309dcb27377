"""Where the agent may do it."""
