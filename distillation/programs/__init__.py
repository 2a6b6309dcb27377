"""Small Python programs with bugs and tests, made from a seed: what the student is trained on."""
