"""The ReAct agent, the models that drive it and the episodes it leaves."""
