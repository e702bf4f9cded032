"""The Recurrent Attention Model (Mnih et al. 2014): networks, losses, rollout, training."""
