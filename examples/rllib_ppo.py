"""RLlib's PPO plays a small Catch. Needs: pip install ram-envs torch "ray[rllib]"

python examples/rllib_ppo.py 2000000
"""

import sys

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

# The action is a Dict: a point to look at, and a move of the paddle.
config = (
    PPOConfig()
    .environment("ram_envs:CatchBall-v0", env_config={"screen_size": 12, "obs_mode": "flat", "action_mode": "dict"})
    .env_runners(num_env_runners=0, num_envs_per_env_runner=8)
    .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[256, 256], fcnet_activation="relu"))
    .training(train_batch_size=2816, minibatch_size=352, num_epochs=4, lr=1e-3, entropy_coeff=0.01, grad_clip=0.5)
    .debugging(seed=1)
)
algorithm = config.build_algo()
total_steps, steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, 0
while steps < total_steps:
    result = algorithm.train()["env_runners"]
    steps = int(result["num_env_steps_sampled_lifetime"])
    print(f"{steps} steps: {100 * result['episode_return_mean']:.0f} % of the last balls caught")
algorithm.stop()
