"""skrl's PPO plays a small Catch in the native vector environment. Needs: pip install ram-envs torch skrl

python examples/skrl_ppo.py 2000000
"""

import sys

import gymnasium as gym
from skrl.agents.torch.ppo import PPO
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.trainers.torch import StepTrainer
from skrl.utils import set_seed
from skrl.utils.model_instantiators.torch import deterministic_model, multicategorical_model

import ram_envs  # noqa: F401  registers the environments

LANES, STEPS = 64, 44  # 44 steps are four games

set_seed(1)
games = gym.make_vec("CatchBall-v0", screen_size=12, num_envs=LANES, obs_mode="flat", autoreset_mode="SameStep")
games = gym.wrappers.vector.RecordEpisodeStatistics(games, buffer_length=1000)
envs = wrap_env(games, wrapper="gymnasium")
spaces = {"observation_space": envs.observation_space, "action_space": envs.action_space, "device": envs.device}
network = [{"name": "net", "input": "OBSERVATIONS", "layers": [256, 256], "activations": "relu"}]
settings = {"rollouts": STEPS, "learning_epochs": 4, "mini_batches": 8, "entropy_loss_scale": 0.01}
agent = PPO(
    models={
        "policy": multicategorical_model(**spaces, network=network, output="ACTIONS"),
        "value": deterministic_model(**spaces, network=network, output="ONE"),
    },
    memory=RandomMemory(memory_size=STEPS, num_envs=LANES, device=envs.device),
    cfg={**settings, "experiment": {"write_interval": 0, "checkpoint_interval": 0}},
    **spaces,
)
updates = max(1, (int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000) // (LANES * STEPS))
options = {"timesteps": updates * STEPS, "headless": True, "disable_progressbar": True}
trainer = StepTrainer(env=envs, agents=agent, cfg=options)
for update in range(1, updates + 1):
    for _ in range(STEPS):
        trainer.train()
    share = sum(games.return_queue) / len(games.return_queue)
    print(f"{update * LANES * STEPS} steps: {100 * share:.0f} % of the last balls caught")
