"""The loss of one update: the hybrid loss of Mnih et al. 2014, section 3, put together from `losses`.

Cross entropy where labels teach the answer, REINFORCE for everything that was sampled, squared error for the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from agents.ram import losses
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.rollout import Rollout


@dataclass
class Objective:
    """A sum of losses, and what is reported of it.

    Attributes:
        total: what the gradient is taken of.
        parts: name -> a loss or a measure, without gradient.
    """

    total: Tensor
    parts: dict[str, Tensor]

    def add(self, loss: Tensor, weight: float = 1.0, name: str | None = None) -> None:
        """Adds a loss, and reports it where it has a name."""
        self.total = self.total + weight * loss
        if name is not None:
            self.report(name, loss)

    def report(self, name: str, value: Tensor) -> None:
        """Reports a value."""
        self.parts[name] = value.detach()


def training_loss(
    rollout: Rollout, agent: RecurrentAttentionAgent, entropy_bonus: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss whose gradient is one update's, and its parts."""
    learning, active = agent.config.learning, rollout.active
    advantages, returns = losses.advantages_and_returns(
        _rewards(rollout, agent), rollout.baselines, active, learning.discount, learning.gae_lambda
    )
    objective = Objective(torch.zeros((), device=active.device), {})
    objective.add(losses.baseline_loss(rollout.baselines, returns, active), name="baseline_loss")
    objective.report("baseline_explains", _explained(rollout, returns))
    if learning.rollouts > 1:
        advantages = losses.leave_one_out(returns, learning.rollouts)
    looked = active * (1 - rollout.last) * rollout.explored  # the last location is never used
    if learning.normalize_advantages:
        only_looks = agent.supervised and "stop" not in rollout.logits  # were sampled
        advantages = losses.normalize(advantages, looked if only_looks else active)
    if agent.gaze_learns:
        _add_gaze(objective, rollout, agent, advantages, looked)
    if learning.glance_weight:
        glances = losses.answer_loss(_glances(rollout), _labels(rollout), active)
        objective.add(glances, learning.glance_weight, "glance_loss")
    for name, logits in rollout.logits.items():
        if name == "answer" and agent.supervised:
            _add_answers(objective, rollout, logits, learning.early_answer_weight)
        else:
            _add_choice(objective, rollout, name, advantages, entropy_bonus)
    return objective.total, objective.parts


def _rewards(rollout: Rollout, agent: RecurrentAttentionAgent) -> Tensor:
    """The environment's rewards, or the answer's paid look by look; what looking costs stays."""
    pay = agent.config.learning.look_reward
    if pay == "answer":
        return rollout.rewards
    labels, costs = _labels(rollout), rollout.rewards * (1 - rollout.last)
    if pay == "gain":
        return costs + losses.probability_gains(rollout.logits["answer"], labels, rollout.active)
    return costs + losses.glance_rewards(_glances(rollout), labels, rollout.active)


def _explained(rollout: Rollout, returns: Tensor) -> Tensor:
    """Share of the returns' variance that the baseline explains."""
    active = rollout.active
    left = ((returns - rollout.baselines.detach()).square() * active).sum()
    spread = ((returns - (returns * active).sum() / active.sum()).square() * active).sum()
    return 1 - left / spread.clamp(min=1e-8)


def _add_gaze(
    objective: Objective, rollout: Rollout, agent: RecurrentAttentionAgent, advantages: Tensor, looked: Tensor
) -> None:
    """REINFORCE for the sampled locations, and the penalty of means beyond the border."""
    gaze = agent.config.gaze
    log_probs = losses.gaussian_log_prob(rollout.locations, rollout.location_means, agent.location_std)
    objective.add(losses.reinforce_loss(log_probs, advantages, looked), gaze.weight)
    beyond = losses.border_penalty(rollout.location_means, rollout.active * (1 - rollout.last))
    objective.add(beyond, gaze.border_penalty, "border_penalty")


def _add_answers(objective: Objective, rollout: Rollout, logits: Tensor, early_weight: float) -> None:
    """Cross entropy of the answer that counts, the last, and of those before it."""
    labels = _labels(rollout)
    objective.add(losses.answer_loss(logits, labels, rollout.last), name="answer_loss")
    if early_weight:
        early = losses.answer_loss(logits, labels, rollout.active - rollout.last)
        objective.add(early, early_weight, "early_answer_loss")


def _add_choice(objective: Objective, rollout: Rollout, name: str, advantages: Tensor, entropy_bonus: float) -> None:
    """REINFORCE for a choice that was sampled, with a bonus on its entropy."""
    mask, logits = rollout.active, rollout.logits[name]
    if name == "answer":
        mask = rollout.last  # only the last answer counts
    elif name == "stop":  # at the last glimpse the episode ends anyway
        mask = mask * (torch.arange(1, len(mask) + 1, device=mask.device) < rollout.budget)[:, None]
    log_probs = losses.categorical_log_prob(rollout.choices[name], logits)
    entropy = (losses.categorical_entropy(logits) * mask).sum() / mask.shape[1]
    objective.report(f"{name}_entropy", entropy / mask.sum() * mask.shape[1])
    objective.add(losses.reinforce_loss(log_probs, advantages, mask) - entropy_bonus * entropy)


def _labels(rollout: Rollout) -> Tensor:
    assert rollout.labels is not None, "The hybrid loss needs an environment that tells the label."
    return rollout.labels


def _glances(rollout: Rollout) -> Tensor:
    assert rollout.glances is not None, "Only an agent with a glance_weight answers from single glimpses."
    return rollout.glances
