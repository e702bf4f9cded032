"""RLlib's PPO with an LSTM plays a small Catch, in runners on as many processors or machines. Needs: pip install ram-envs torch "ray[rllib]"

python examples/rllib_ppo.py 2000000 2    # steps, and how many runners; RAY_ADDRESS names a cluster
"""

import os
import sys

import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

total_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
runners = int(sys.argv[2]) if len(sys.argv) > 2 else 2
ray.init(os.environ.get("RAY_ADDRESS", "local"))  # without an address it would join any cluster that it finds here
# "vector_entry_point" is the package's own vector environment, which plays all episodes of a runner at once; other modes play single
# ones side by side. The action is a cell to look at and a move of the paddle: with a Dict, RLlib's LSTM takes the axis of time for another.
config = (
    PPOConfig()
    .environment(
        "ram_envs:CatchBall-v0", env_config={"screen_size": 12, "obs_mode": "flat", "action_mode": "multidiscrete"}
    )
    .env_runners(num_env_runners=runners, num_envs_per_env_runner=64, gym_env_vectorize_mode="vector_entry_point")
    .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[256], use_lstm=True, lstm_cell_size=256, max_seq_len=12))
    .training(train_batch_size=2816, minibatch_size=704, num_epochs=4, lr=1e-3, entropy_coeff=0.01, grad_clip=0.5)
    .debugging(seed=1)
)
algorithm, steps = config.build_algo(), 0
while steps < total_steps:
    result = algorithm.train()["env_runners"]
    steps = int(result["num_env_steps_sampled_lifetime"])
    print(f"{steps} steps: {100 * result['episode_return_mean']:.0f} % of the last balls caught")
algorithm.stop()
