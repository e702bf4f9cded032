"""What every family of agents shares: settings, run folder, checkpoint file, episodes, scores, command line."""
