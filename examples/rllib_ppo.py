"""RLlib's PPO plays Catch, with a point to look at and a move as the action. Needs: pip install ram-envs "ray[rllib]" torch

python examples/rllib_ppo.py 1000000
"""

import sys

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

config = (
    PPOConfig()
    .environment("ram_envs:CatchBall-v0", env_config={"obs_mode": "flat", "action_mode": "dict"})
    .env_runners(num_env_runners=0, num_envs_per_env_runner=8)
    .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[128, 128], fcnet_activation="tanh"))
    .training(train_batch_size=2944, minibatch_size=368, num_epochs=4, lr=1e-3, entropy_coeff=0.01, grad_clip=0.5)
    .debugging(seed=1)
)
algorithm = config.build_algo()
total_steps, steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 0
while steps < total_steps:
    result = algorithm.train()["env_runners"]
    steps = int(result["num_env_steps_sampled_lifetime"])
    print(f"{steps} steps: {100 * result['episode_return_mean']:.0f} % of the last balls caught")
algorithm.stop()
