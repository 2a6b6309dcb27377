"""The models that can drive the assistant: what is here, what can be had, and what is used."""
