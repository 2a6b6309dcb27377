"""Tasks, rollouts, episodes, datasets."""
