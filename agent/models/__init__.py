"""Drivers of the agent: one module a protocol, all of them a `Model`."""
