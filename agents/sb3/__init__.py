"""Stable-Baselines3 on these environments: adapter, hybrid policy, training, scores."""
