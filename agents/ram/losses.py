"""REINFORCE, the baseline, and the hybrid loss: pure functions of tensors.

Axes: T steps of a rollout, B episodes, K classes. Time runs along the first axis; masks are 1 where a step counts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

ANYWHERE = -math.log(4.0)  # log of the density of places drawn anywhere on the image


def gaussian_log_prob(sample: Tensor, mean: Tensor, std: float | Tensor) -> Tensor:
    """log N(sample; mean, std^2), summed over the last axis: of the sample as drawn, before any clipping."""
    scaled = (sample - mean) / std
    spread = std.log() if isinstance(std, Tensor) else math.log(std)
    return (-0.5 * scaled.square() - spread - 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_entropy(std: Tensor) -> Tensor:
    """Entropy in nats of independent Gaussians of these standard deviations (..., K), all together."""
    return (std.log() + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


def categorical_log_prob(choice: Tensor, logits: Tensor) -> Tensor:
    """log p(choice) under a softmax of `logits` (..., K)."""
    return functional.log_softmax(logits, -1).gather(-1, choice.unsqueeze(-1)).squeeze(-1)


def categorical_entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of a softmax of `logits` (..., K)."""
    log_probs = functional.log_softmax(logits, -1)
    return -(log_probs.exp() * log_probs).sum(-1)


def advantages_and_returns(
    rewards: Tensor,
    baselines: Tensor,
    active: Tensor,
    discount: float = 1.0,
    gae_lambda: float = 1.0,
    last: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Advantages R_t - b_t and returns R_t, both without gradient, of episodes that end within the rollout; what is expected after a step whose
    successor is not in it belongs to that step's reward.

    With discount 1 and gae_lambda 1 the return is the undiscounted sum of what is still to come, as in Mnih et al. 2014,
    Eq. 2. Below 1, generalised advantage estimation (Schulman et al. 2016, Eq. 16) trades variance for bias.

    Args:
        rewards: (T, B), zero after an episode's end.
        baselines: (T, B), b_t for the state that the step was taken in.
        active: (T, B), 1 for the steps before and at an episode's end.
        discount, gae_lambda: see above.
        last: (T, B), 1 at episodes' ends, where others may follow in the same lane; None where none does.
    """
    baselines = baselines.detach() * active
    errors, expected = rewards - baselines, discount * baselines[1:]
    errors[:-1] += expected if last is None else expected * (1 - last[:-1])
    advantages = errors * active
    steps = advantages.unbind()
    for step in range(len(steps) - 2, -1, -1):  # nothing of what follows an episode's end is of that episode
        later = steps[step + 1] if last is None else steps[step + 1] * (1 - last[step])
        steps[step].add_(later, alpha=discount * gae_lambda)
    return advantages, advantages + baselines


def probability_gains(logits: Tensor, labels: Tensor, active: Tensor) -> Tensor:
    """What each look adds to the probability of the right class: p_{t+1}(y) - p_t(y), and 0 for the step that ends.

    A departure from the paper. An answer that is sampled from the action network's softmax at the end is right with
    probability p_T(y), which is the paper's reward on average; these differences add up to it, less p_1(y) that no look can
    change, and tell each look its part.

    Args:
        logits: (T, B, K) of the answers, taken without gradient.
        labels: (B,).
        active: (T, B), 1 for the steps before and at an episode's end.
    """
    right = categorical_log_prob(labels.expand(len(logits), -1), logits.detach()).exp()
    return functional.pad((right[1:] - right[:-1]) * active[1:], (0, 0, 0, 1))


def normalize(advantages: Tensor, mask: Tensor) -> Tensor:
    """Advantages of mean 0 and standard deviation 1 over the steps that count."""
    count = mask.sum().clamp(min=1)
    centred = (advantages - (advantages * mask).sum() / count) * mask
    return centred / ((centred.square().sum() / count).sqrt() + 1e-8)


def reinforce_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-1/B sum_i sum_t log pi(u_t | s_1:t) (R_t - b_t): its gradient is Mnih et al. 2014, Eq. 2, with the sign of a loss."""
    return -(log_probs * (advantages.detach() * mask)).sum() / log_probs.shape[1]


def clipped_loss(log_probs: Tensor, before: Tensor, advantages: Tensor, mask: Tensor, clip: float = 0.2) -> Tensor:
    """-1/B sum_i sum_t min(r A, clip(r, 1 - clip, 1 + clip) A) with r = pi / pi_before: PPO's (Schulman et al. 2017, Eq. 7), for steps on episodes that
    the policy was another for. Where it is the same still, the gradient is that of `reinforce_loss`.

    Args:
        log_probs: (T, B) of what was sampled.
        before: (T, B), the same by the policy that sampled it.
        advantages: (T, B).
        mask: (T, B), 1 at the steps that count.
        clip: how far from 1 the ratio may go to some gain.
    """
    ratio, gained = (log_probs - before.detach()).exp(), advantages.detach() * mask
    return -torch.minimum(ratio * gained, ratio.clamp(1 - clip, 1 + clip) * gained).sum() / log_probs.shape[1]


def baseline_loss(baselines: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps that count of (R_t - b_t)^2: the squared error that the baseline learns by (section 3, "Variance reduction").

    The paper does not say whether steps are summed. With the sum a linear baseline on a core of large activations diverges at the
    rates that the rest of the network wants: stable is roughly rate * 2 T |h|^2 < 3.8 with momentum 0.9.
    """
    return ((returns.detach() - baselines).square() * mask).sum() / mask.sum().clamp(min=1)


def foresight(values: Tensor, returns: Tensor) -> Tensor:
    """How well the return is foretold after each of K looks: minus the squared error of what is then expected.

    What is expected is no measure of a look by itself: while moves do not use what is seen it is the same on average whatever is
    looked at, and the highest where it is the most wrong.

    Args:
        values: (T, K, B), expected after each look, with which the next step begins.
        returns: (T, B), of each step. The last step's looks are scored by none of theirs.

    Returns:
        Scores (T, K, B).
    """
    return -(torch.cat([returns[1:], returns[-1:]])[:, None] - values).square()


def candidate_advantages(scores: Tensor, mask: Tensor, floor: float = 0.03) -> Tensor:
    """How much better each of K looks is than the others that were possible at the same step: REINFORCE with a leave-one-out
    baseline (Kool et al. 2019) over looks that share their past, A_k = K / (K - 1) (s_k - mean s), in units of its standard
    deviation over the batch.

    Args:
        scores: (T, K, B), what is known after each look.
        mask: (T, B), 1 where a look was taken.
        floor: least standard deviation to divide by, so that differences that mean nothing are not blown up.
    """
    count = scores.shape[1]
    advantages = (scores - scores.mean(1, keepdim=True)) * count / (count - 1) * mask[:, None]
    spread = (advantages.square().sum() / (mask.sum() * count).clamp(min=1)).sqrt()
    return advantages / spread.clamp(min=floor)


def candidate_loss(
    candidates: Tensor, means: Tensor, std: float | Tensor, advantages: Tensor, mask: Tensor, cap: float = 3.0
) -> Tensor:
    """-mean over looks of log pi(l_k) A_k, in units of the standard deviation: log pi = -z^2 / 2, z = (l_k - mean) / std.

    A candidate that was drawn far from the mean may be many standard deviations off. If it is better than the others it pulls, as from `cap`
    of them. If it is worse it does not push: that says nothing of where near the mean is best, and pushed from what they come from, all
    first moves go too far.

    Args:
        candidates: (T, K, B, 2) as drawn, before any clipping, without gradient.
        means: (T, B, 2) with gradient.
        std: of the location policy.
        advantages: (T, K, B), of `candidate_advantages`.
        mask: (T, B), 1 where a look was taken.
        cap: most standard deviations that a candidate pulls from.
    """
    way = (candidates - means[:, None]) / std
    near = cap / way.detach().norm(dim=-1).clamp(min=cap)  # 1 within the cap, constant for the gradient
    counts = (near == 1) | (advantages > 0)
    log_probs = -0.5 * way.square().sum(-1) * near * counts
    loss: Tensor = (
        -std * (log_probs * advantages * mask[:, None]).sum() / (mask.sum().clamp(min=1) * candidates.shape[1])
    )
    return loss


def pointed_candidate_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-mean over looks of log pi(l_k) A_k, of a gaze that points.

    A candidate that the policy would draw less often than if it drew anywhere on the image does not push if it is worse than the others: it has
    hardly a share to lose.

    Args:
        log_probs: (T, K, B) of the candidates, with gradient.
        advantages: (T, K, B), of `candidate_advantages`.
        mask: (T, B), 1 where a look was taken.
    """
    counts = (log_probs.detach() > ANYWHERE) | (advantages > 0)
    loss: Tensor = -(log_probs * counts * advantages * mask[:, None]).sum()
    return loss / (mask.sum().clamp(min=1) * log_probs.shape[1])


def blind_logits(logits: Tensor, mask: Tensor) -> Tensor:
    """What one would answer who has not seen the scenes, only how often each answer is given: the mean softmax, as logits.

    Args:
        logits: (T, B, K).
        mask: (T, B), 1 at the steps whose answers count.

    Returns:
        Logits (T, B, K), the same everywhere.
    """
    shares = (functional.softmax(logits, -1) * mask[..., None]).sum((0, 1)) / mask.sum().clamp(min=1)
    return shares.clamp(min=1e-6).log().expand_as(logits)


def border_penalty(locations: Tensor, mask: Tensor) -> Tensor:
    """1/B sum_i sum_t of the squared way from each location (T, B, 2) to [-1, 1]: nothing inside, where it is of use.

    A departure from the paper. Beyond the border all locations look at the same place, so nothing else calls a mean back.
    """
    return ((locations.abs() - 1).clamp(min=0).square().sum(-1) * mask).sum() / locations.shape[1]


def answer_loss(logits: Tensor, labels: Tensor, mask: Tensor, holds: Tensor | None = None) -> Tensor:
    """Cross entropy of the answers that count: the supervised part of the hybrid loss (section 3, "Hybrid supervised loss").

    With `holds`, a departure from the paper, the labels are answers that were tried, and the loss is the likelihood of what came
    of them: -log p of one that was right, -log(1 - p) of one that was not.

    Args:
        logits: (T, B, K).
        labels: (B,).
        mask: (T, B), 1 at the step where each episode's answer was given.
        holds: (B,) bool, whether each label is right; None for all.
    """
    right = categorical_log_prob(labels.expand(len(logits), -1), logits)
    if holds is not None:
        right = torch.where(holds, right, torch.log1p(-right.exp().clamp(max=1 - 1e-6)))
    return -(right * mask).sum() / mask.sum().clamp(min=1)
