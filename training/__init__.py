"""From a dataset to a better student."""
