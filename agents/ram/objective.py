"""The loss of one update: the hybrid loss of Mnih et al. 2014, section 3, put together from `losses`.

Cross entropy where labels teach the answer, REINFORCE for everything that was sampled, squared error for the baseline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from agents.ram import losses
from agents.ram.agent import RecurrentAttentionAgent
from agents.ram.decisions import Outputs
from agents.ram.rollout import Rollout
from ram_envs.action_modes import CONTROL


@dataclass
class Objective:
    """A sum of losses, and what is reported of it.

    Attributes:
        total: what the gradient is taken of.
        parts: name -> a loss or a measure, without gradient.
    """

    total: Tensor
    parts: dict[str, Tensor]

    def add(self, loss: Tensor, weight: float | Tensor = 1.0, name: str | None = None) -> None:
        """Adds a loss, and reports it where it has a name."""
        self.total = self.total + (loss if isinstance(weight, float) and weight == 1 else weight * loss)
        if name is not None:
            self.report(name, loss)

    def report(self, name: str, value: Tensor) -> None:
        """Reports a value."""
        self.parts[name] = value.detach()


def training_loss(
    rollout: Rollout,
    outputs: Outputs,
    agent: RecurrentAttentionAgent,
    entropy_bonus: float | Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss whose gradient is one step's, and its parts.

    Args:
        rollout: what was played.
        outputs: what the agent makes of it, by `unroll`.
        agent: who played.
        entropy_bonus: weight of the entropy of choices that are sampled.
    """
    learning, active, before = agent.config.learning, rollout.active, rollout.made
    rewards = _rewards(rollout, outputs, agent) / agent.return_scale
    advantages, returns = losses.advantages_and_returns(
        rewards, (before or outputs).baseline, active, learning.discount, learning.gae_lambda, rollout.last
    )
    objective = Objective(torch.zeros((), device=active.device), {})
    baseline = losses.baseline_loss(outputs.baseline, returns, active)
    objective.add(baseline, learning.baseline_weight, "baseline_loss")
    told = _returns_told(outputs.baseline.detach(), returns, active)
    objective.parts |= {"returns": told, **measure_baseline(told[None], agent.return_scale)}
    looked = active * (1 - rollout.last) * rollout.explored  # the last location is never used
    if learning.normalize_advantages:
        taught = agent.teacher != "reinforce" and outputs.logits.keys() == {"answer"} and outputs.control_mean is None
        advantages = losses.normalize(advantages, looked if taught else active)  # where nothing but looks was sampled
    if agent.gaze_learns and rollout.candidates is not None:
        _add_candidates(objective, rollout, outputs, agent, returns)
    elif agent.gaze_learns:
        _add_gaze(objective, rollout, outputs, before, agent, advantages, looked)
    for name, logits in outputs.logits.items():
        if name == "answer" and agent.teacher != "reinforce":
            _add_answers(objective, rollout, logits, learning.early_answer_weight)
        elif not agent.rests(name):
            counts = _counting_steps(rollout, name, agent)
            _add_choice(objective, rollout, name, outputs, before, advantages, counts, entropy_bonus)
    if outputs.control_mean is not None:
        _add_control(objective, rollout, outputs, before, advantages, entropy_bonus)
    return objective.total, objective.parts


def _rewards(rollout: Rollout, outputs: Outputs, agent: RecurrentAttentionAgent) -> Tensor:
    """The environment's rewards, or the answer's paid look by look; what looking costs stays."""
    if agent.config.learning.look_reward == "answer":
        return rollout.rewards
    costs = rollout.rewards * (1 - rollout.last)
    return costs + losses.probability_gains(outputs.logits["answer"], _labels(rollout), rollout.active)


def _returns_told(baselines: Tensor, returns: Tensor, active: Tensor) -> Tensor:
    """Of the returns (4,): how many there are, their mean, and the sums of their squared ways from it and from the baseline."""
    count = active.sum()
    mean = (returns * active).sum() / count
    squares = [((returns - middle).square() * active).sum() for middle in (mean, baselines)]
    return torch.stack([count, mean, *squares])


def measure_baseline(told: Tensor, scale: float | Tensor) -> dict[str, Tensor]:
    """What the parts of a batch tell together (P, 4): the share of the returns' spread that the baseline explains, and their standard deviation, from
    returns in units of `scale`."""
    counts, means, spreads, left = told.T
    mean = (counts * means).sum() / counts.sum()
    spread = (spreads + counts * (means - mean).square()).sum()
    # Where all returns are equal there is nothing to explain.
    explained = torch.where(spread > 1e-6, 1 - left.sum() / spread.clamp(min=1e-6), 0.0)
    return {"baseline_explains": explained, "return_spread": (spread / counts.sum()).sqrt() * scale}


def _add_gaze(
    objective: Objective,
    rollout: Rollout,
    outputs: Outputs,
    before: Outputs | None,
    agent: RecurrentAttentionAgent,
    advantages: Tensor,
    looked: Tensor,
) -> None:
    """REINFORCE for the sampled locations, in units of the variance that they begin with, and the penalty of means beyond the border.

    The gradient of a Gaussian's log-probability is (l - mean) / std^2, so that a step moves the mean by about
    rate * weight * advantage / std: at a deviation of 0.1 a hundred times further than the weight says. Times std^2 it is the
    natural step for a mean, and rate, weight and deviation no longer fight. The penalty is in the same units. A gaze that points has logits, which noise does
    not move so far, and never a place beyond the border.
    """
    gaze = agent.config.gaze
    unit = 1.0 if agent.points else gaze.std**2

    def log_prob(made: Outputs) -> Tensor:
        places = rollout.locations[:, None]
        return agent.location_log_prob(places, made, rollout.seen_from, rollout.pixel_sizes)[:, 0]

    objective.add(_policy_loss(log_prob, outputs, before, advantages, looked), gaze.weight * unit)
    if not agent.points:
        beyond = losses.border_penalty(outputs.location_mean, rollout.active * (1 - rollout.last))
        objective.add(beyond, gaze.border_penalty * unit, "border_penalty")


def _add_candidates(
    objective: Objective, rollout: Rollout, outputs: Outputs, agent: RecurrentAttentionAgent, returns: Tensor
) -> None:
    """REINFORCE over the looks that were compared at each step, and the penalty of means beyond the border."""
    assert rollout.candidates is not None
    assert rollout.candidate_scores is not None
    assert agent.config.counterfactual is not None
    looked, gaze, scores = rollout.active * (1 - rollout.last), agent.config.gaze, rollout.candidate_scores
    advantages = losses.candidate_advantages(scores, looked)
    if agent.config.counterfactual.judge == "return":
        known = torch.cat([looked[:-1], torch.zeros_like(looked[-1:])])  # what came after the last step is not
        foretold = losses.candidate_advantages(losses.foresight(scores, returns), known)
        advantages = agent.trust * advantages + (1 - agent.trust) * foretold
    if agent.points:
        log_probs = agent.location_log_prob(rollout.candidates, outputs, rollout.seen_from, rollout.pixel_sizes)
        objective.add(losses.pointed_candidate_loss(log_probs, advantages, looked), gaze.weight)
    else:
        mean, std = outputs.location_mean, agent.location_std
        objective.add(losses.candidate_loss(rollout.candidates, mean, std, advantages, looked), gaze.weight)
        objective.add(losses.border_penalty(mean, looked), gaze.border_penalty, "border_penalty")
    spread = scores.std(1) * looked
    objective.report("looks_differ", spread.sum() / looked.sum().clamp(min=1))


def _add_answers(objective: Objective, rollout: Rollout, logits: Tensor, early_weight: float) -> None:
    """Cross entropy of the answer that counts, the last, and of those before it."""
    labels, holds = _labels(rollout), rollout.label_holds
    known = torch.ones_like(rollout.last[0]) if rollout.judged is None else rollout.judged.float()
    last = rollout.last * known
    loss = losses.answer_loss(logits, labels, last, holds)
    objective.add(loss, name="answer_loss")
    blind = losses.answer_loss(losses.blind_logits(logits.detach(), last), labels, last, holds)
    some = last.sum() > 0  # of episodes that were all cut short nothing is known
    objective.report("answers_know", (1 - loss / blind.clamp(min=1e-6)) * some)
    if early_weight:
        early = losses.answer_loss(logits, labels, (rollout.active - rollout.last) * known, holds)
        objective.add(early, early_weight, "early_answer_loss")


def _counting_steps(rollout: Rollout, name: str, agent: RecurrentAttentionAgent) -> Tensor:
    """The steps (T, B) at which an option of a choice counts for something."""
    if name == "answer" and agent.one_answer:
        return rollout.last
    if name == agent.end:  # at the last glimpse the episode ends anyway
        steps = torch.arange(1, len(rollout.active) + 1, device=rollout.active.device)
        return rollout.active * (steps < rollout.budget)[:, None]
    return rollout.active


def _add_choice(
    objective: Objective,
    rollout: Rollout,
    name: str,
    outputs: Outputs,
    before: Outputs | None,
    advantages: Tensor,
    mask: Tensor,
    entropy_bonus: float | Tensor,
) -> None:
    """REINFORCE for a choice that was sampled, with a bonus on its entropy."""

    def log_prob(made: Outputs) -> Tensor:
        return losses.categorical_log_prob(rollout.choices[name], made.logits[name])

    entropy = (losses.categorical_entropy(outputs.logits[name]) * mask).sum() / mask.shape[1]
    objective.report(f"{name}_entropy", entropy / mask.sum().clamp(min=1) * mask.shape[1])
    objective.add(_policy_loss(log_prob, outputs, before, advantages, mask) - entropy_bonus * entropy)


def _add_control(
    objective: Objective,
    rollout: Rollout,
    outputs: Outputs,
    before: Outputs | None,
    advantages: Tensor,
    entropy_bonus: float | Tensor,
) -> None:
    """REINFORCE for the numbers of a control, with a bonus on their entropy."""
    assert outputs.control_std is not None

    def log_prob(made: Outputs) -> Tensor:
        assert made.control_mean is not None
        assert made.control_std is not None
        return losses.gaussian_log_prob(rollout.choices[CONTROL], made.control_mean, made.control_std)

    entropy = (losses.gaussian_entropy(outputs.control_std) * rollout.active).sum() / rollout.active.shape[1]
    objective.report("control_entropy", entropy / rollout.active.sum() * rollout.active.shape[1])
    objective.add(_policy_loss(log_prob, outputs, before, advantages, rollout.active) - entropy_bonus * entropy)


def _policy_loss(
    log_prob: Callable[[Outputs], Tensor], outputs: Outputs, before: Outputs | None, advantages: Tensor, mask: Tensor
) -> Tensor:
    """REINFORCE for what was sampled; where the policy was another then, PPO's clipped ratio."""
    if before is None:
        return losses.reinforce_loss(log_prob(outputs), advantages, mask)
    return losses.clipped_loss(log_prob(outputs), log_prob(before), advantages, mask)


def _labels(rollout: Rollout) -> Tensor:
    assert rollout.labels is not None, "The hybrid loss needs an environment that tells the label."
    return rollout.labels
