"""The losses against values computed by hand and against exact gradients."""

import itertools
import math

import pytest

torch = pytest.importorskip("torch")

from agents.ram import losses  # noqa: E402


def test_gaussian_log_prob_is_that_of_a_normal_distribution():
    sample, mean = torch.tensor([[1.7, -0.2]]), torch.tensor([[0.1, 0.3]])
    expected = torch.distributions.Normal(mean, 0.25).log_prob(sample).sum(-1)
    assert losses.gaussian_log_prob(sample, mean, 0.25).item() == pytest.approx(expected.item())


def test_gaussian_log_probs_are_summed_over_the_coordinates_alone():
    sample = torch.arange(8.0).reshape(2, 2, 2)  # (T, B, 2)
    expected = torch.distributions.Normal(0.5, 2.0).log_prob(sample).sum(-1)
    torch.testing.assert_close(losses.gaussian_log_prob(sample, torch.tensor(0.5), 2.0), expected)


def test_categorical_log_prob_and_entropy_of_a_known_distribution():
    logits = torch.tensor([[math.log(1.0), math.log(3.0)]])
    assert losses.categorical_log_prob(torch.tensor([1]), logits).item() == pytest.approx(math.log(0.75))
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert losses.categorical_entropy(logits).item() == pytest.approx(entropy)


def test_undiscounted_returns_sum_what_is_still_to_come():
    rewards = torch.tensor([[-0.1], [-0.1], [1.0]])
    baselines = torch.tensor([[0.5], [0.25], [0.0]], requires_grad=True)
    advantages, returns = losses.advantages_and_returns(rewards, baselines, torch.ones(3, 1))
    torch.testing.assert_close(returns, torch.tensor([[0.8], [0.9], [1.0]]))
    torch.testing.assert_close(advantages, torch.tensor([[0.3], [0.65], [1.0]]))
    assert not returns.requires_grad
    assert not advantages.requires_grad


def test_generalised_advantages_by_hand():
    rewards, baselines = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.2], [0.6]])
    advantages, returns = losses.advantages_and_returns(rewards, baselines, torch.ones(2, 1), 0.9, 0.5)
    last = 1.0 - 0.6
    first = (0.0 + 0.9 * 0.6 - 0.2) + 0.9 * 0.5 * last
    torch.testing.assert_close(advantages, torch.tensor([[first], [last]]))
    torch.testing.assert_close(returns, torch.tensor([[first + 0.2], [1.0]]))


def test_rollout_may_have_a_single_step():
    advantages, returns = losses.advantages_and_returns(torch.tensor([[1.0]]), torch.tensor([[0.25]]), torch.ones(1, 1))
    assert (advantages.tolist(), returns.tolist()) == ([[0.75]], [[1.0]])


def test_steps_after_an_episodes_end_have_no_advantage():
    rewards = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    active = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    advantages, returns = losses.advantages_and_returns(rewards, torch.full((2, 2), 0.5), active)
    torch.testing.assert_close(advantages, torch.tensor([[0.5, 0.5], [0.0, 0.5]]))
    torch.testing.assert_close(returns, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))


def test_each_look_gains_what_it_adds_to_the_probability_of_the_right_class():
    right = torch.tensor([[0.25, 0.5], [0.75, 0.125], [0.5, 0.9]])  # (T, B): the second episode ends at its second step
    logits = torch.stack([right, 1 - right], -1).log()  # of class 0, then of class 1
    logits[:, 1] = logits[:, 1].flip(-1)  # the second episode's label is 1
    logits.requires_grad_()
    active = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    gains = losses.probability_gains(logits, torch.tensor([0, 1]), active)
    torch.testing.assert_close(gains, torch.tensor([[0.5, -0.375], [-0.25, 0.0], [0.0, 0.0]]))
    assert not gains.requires_grad
    assert losses.probability_gains(logits[:1], torch.tensor([0, 1]), active[:1]).tolist() == [[0, 0]]


def test_normalized_advantages_ignore_steps_that_do_not_count():
    advantages, mask = torch.tensor([[1.0, 3.0, 99.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    torch.testing.assert_close(losses.normalize(advantages, mask), torch.tensor([[-1.0, 1.0, 0.0]]))


def test_baseline_loss_is_the_mean_squared_error_of_the_steps_that_count():
    baselines, returns = torch.tensor([[0.5, 0.0], [1.0, 9.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    loss = losses.baseline_loss(baselines, returns, torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
    assert loss.item() == pytest.approx((0.25 + 1.0 + 0.0) / 3)


def test_answer_loss_counts_only_the_step_of_the_answer():
    logits = torch.zeros(2, 1, 4)
    logits[0, 0, 0] = 50.0  # a certain and wrong opinion before the end costs nothing
    loss = losses.answer_loss(logits, torch.tensor([2]), torch.tensor([[0.0], [1.0]]))
    assert loss.item() == pytest.approx(math.log(4))


def test_reinforce_gradient_is_the_exact_gradient_of_an_enumerable_problem():
    """Two choices in turn, a reward for each of the nine outcomes: the estimator's mean over all of them is exact."""
    table = torch.tensor([[0.0, 1.0, 0.2], [0.5, 0.0, 0.1], [0.3, 0.9, 0.4]], dtype=torch.float64)
    logits = torch.tensor([[0.3, -0.2, 0.1], [-0.5, 0.4, 0.0]], dtype=torch.float64, requires_grad=True)
    first, second = logits.softmax(-1)
    (exact,) = torch.autograd.grad((first[:, None] * second[None] * table).sum(), logits)

    estimated = torch.zeros_like(logits)
    baselines = torch.tensor([[0.37], [0.11]], dtype=torch.float64)  # any baseline leaves the mean as it is
    for choices in itertools.product(range(3), repeat=2):
        rewards = torch.tensor([[0.0], [table[choices].item()]], dtype=torch.float64)
        advantages, _ = losses.advantages_and_returns(rewards, baselines, torch.ones(2, 1, dtype=torch.float64))
        log_probs = losses.categorical_log_prob(torch.tensor(choices)[:, None], logits[:, None])
        loss = losses.reinforce_loss(log_probs, advantages, torch.ones(2, 1, dtype=torch.float64))
        (gradient,) = torch.autograd.grad(loss, logits)
        estimated -= (first[choices[0]] * second[choices[1]]).detach() * gradient
    torch.testing.assert_close(estimated, exact)


def test_reinforce_gradient_of_a_gaussian_location_is_unbiased():
    """For the reward -(l - c)^2 the exact gradient of its mean with respect to the Gaussian's mean is 2 (c - mean)."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.tensor([0.2, -0.1], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.5, 0.4], dtype=torch.float64)
    samples = mean.detach() + 0.3 * torch.randn(1, 400_000, 2, generator=generator, dtype=torch.float64)
    rewards = -(samples - target).square().sum(-1)
    log_probs = losses.gaussian_log_prob(samples, mean, 0.3)
    loss = losses.reinforce_loss(log_probs, rewards - rewards.mean(), torch.ones_like(rewards))
    (gradient,) = torch.autograd.grad(loss, mean)
    torch.testing.assert_close(-gradient, 2 * (target - mean.detach()), atol=0.02, rtol=0)


def test_choices_are_scored_step_by_step_along_the_last_axis():
    logits = torch.tensor([[[0.0, math.log(3.0)], [0.0, 0.0]], [[0.0, math.log(4.0)], [math.log(9.0), 0.0]]])
    found = losses.categorical_log_prob(torch.tensor([[1, 0], [0, 0]]), logits)
    torch.testing.assert_close(found.exp(), torch.tensor([[0.75, 0.5], [0.2, 0.9]]))
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(losses.categorical_entropy(logits), expected)


def test_normalized_advantages_have_standard_deviation_one_and_none_of_none():
    advantages = torch.tensor([[2.0, 8.0, 99.0]])
    found = losses.normalize(advantages, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[-1.0, 1.0, 0.0]]))
    assert losses.normalize(advantages, torch.zeros(1, 3)).tolist() == [[0, 0, 0]]


def test_normalized_advantages_of_a_single_step_are_zero_and_all_but_equal_ones_are_not_blown_up():
    assert losses.normalize(torch.tensor([[5.0, 9.0]]), torch.tensor([[1.0, 0.0]])).tolist() == [[0, 0]]
    found = losses.normalize(torch.tensor([[0.0, 2e-9]]), torch.ones(1, 2))
    torch.testing.assert_close(found, torch.tensor([[-1 / 11, 1 / 11]]))


def test_reinforce_loss_leaves_out_steps_that_do_not_count_and_divides_by_episodes():
    log_probs, advantages = torch.tensor([[-1.0, -2.0], [-5.0, -3.0]]), torch.tensor([[2.0, 1.0], [7.0, -1.0]])
    loss = losses.reinforce_loss(log_probs, advantages, torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
    assert loss.item() == pytest.approx((2.0 + 2.0 - 3.0) / 2)


def test_answer_loss_is_the_mean_over_the_answers_given():
    logits = torch.tensor([[[0.0, math.log(3.0)], [9.0, 0.0]], [[7.0, 0.0], [0.0, 0.0]]])
    loss = losses.answer_loss(logits, torch.tensor([1, 0]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    assert losses.answer_loss(logits, torch.tensor([1, 0]), torch.zeros(2, 2)).item() == 0


def test_border_penalty_is_the_squared_way_back_into_the_image():
    inside = [0.5, -1.0]
    locations = torch.tensor([[inside, [1.5, -3.0], inside], [[2.0, 0.0], [9.0, 9.0], inside]])  # (T=2, B=3, 2)
    mask = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    assert losses.border_penalty(locations, mask).item() == pytest.approx((0.5**2 + 2**2 + 1) / 3)


def test_foresight_is_how_near_the_return_that_is_expected_after_a_look_is_to_the_one_that_came():
    values = torch.tensor([[[0.0], [1.0], [0.4]], [[1.0], [0.0], [0.5]]])  # two steps, three looks
    scores = losses.foresight(values, torch.tensor([[9.0], [1.0]]))  # the first look of a step is seen by the next
    torch.testing.assert_close(scores[0, :, 0], -torch.tensor([1.0, 0.0, 0.36]))


def test_candidate_advantages_compare_each_look_with_the_others_of_its_step():
    scores = torch.tensor([[[0.9, 0.5], [0.3, 0.5]], [[0.2, 0.7], [0.2, 0.1]]])  # (T, K, B)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    found = losses.candidate_advantages(scores, mask)
    raw = torch.tensor([[[0.6, 0.0], [-0.6, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])  # s_k less the other
    torch.testing.assert_close(found, raw / raw.square().sum().div(6).sqrt())


def test_differences_that_mean_nothing_are_not_blown_up():
    scores = torch.tensor([[[0.501], [0.499]]])
    found = losses.candidate_advantages(scores, torch.ones(1, 1))
    torch.testing.assert_close(found, torch.tensor([[[0.002], [-0.002]]]) / 0.03, atol=1e-5, rtol=0)


def test_candidate_loss_pulls_the_mean_by_the_advantage_from_at_most_three_deviations():
    means = torch.zeros(1, 1, 2, requires_grad=True)
    candidates = torch.tensor([[[[0.1, 0.0]], [[0.0, -2.0]]]])  # one deviation off, and twenty
    losses.candidate_loss(candidates, means, 0.1, torch.tensor([[[1.0], [0.5]]]), torch.ones(1, 1)).backward()
    pull = torch.tensor([1.0 * 1.0, 0.5 * -3.0]) / 2  # mean over the two, in units of the deviation
    torch.testing.assert_close(means.grad[0, 0], -pull)


def test_a_far_candidate_that_is_worse_than_the_others_does_not_push_the_mean():
    means = torch.zeros(1, 1, 2, requires_grad=True)
    candidates = torch.tensor([[[[0.1, 0.0]], [[0.0, -2.0]]]])
    losses.candidate_loss(candidates, means, 0.1, torch.tensor([[[-1.0], [-0.5]]]), torch.ones(1, 1)).backward()
    torch.testing.assert_close(means.grad[0, 0], torch.tensor([1.0 / 2, 0.0]))


def test_a_blind_answer_knows_how_often_each_option_is_given_and_no_more():
    logits = torch.tensor([[[9.0, 0.0], [0.0, 0.0]], [[0.0, math.log(3.0)], [0.0, 0.0]]])  # (T=2, B=2, K=2)
    mask = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    blind = losses.blind_logits(logits, mask).softmax(-1)
    torch.testing.assert_close(blind, torch.tensor([0.375, 0.625]).expand(2, 2, 2))


def test_the_clipped_ratios_gradient_is_reinforces_while_the_policy_is_the_same():
    log_probs = torch.randn(3, 4, requires_grad=True)
    advantages, mask = torch.randn(3, 4), (torch.rand(3, 4) < 0.7).float()
    found, expected = (
        torch.autograd.grad(loss, log_probs)[0]
        for loss in (
            losses.clipped_loss(log_probs, log_probs, advantages, mask),
            losses.reinforce_loss(log_probs, advantages, mask),
        )
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("ratio", "advantage", "pushed"), [(1.5, 1, 0), (1.5, -1, 1), (0.5, 1, 1), (0.5, -1, 0), (1.1, 1, 1)]
)
def test_a_ratio_beyond_the_clip_is_pushed_back_and_no_further(ratio, advantage, pushed):
    log_prob = torch.tensor([[ratio]]).log().requires_grad_()
    losses.clipped_loss(log_prob, torch.zeros(1, 1), torch.full((1, 1), float(advantage)), torch.ones(1, 1)).backward()
    assert bool(log_prob.grad) == pushed
    assert log_prob.grad * advantage <= 0
