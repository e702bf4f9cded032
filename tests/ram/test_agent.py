"""Networks, agent and rollout: what they compute, and where gradients may flow."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")


from agents.experiment.episodes import make_envs  # noqa: E402
from agents.ram import salience  # noqa: E402
from agents.ram.agent import fit_gaze, make_agent  # noqa: E402
from agents.ram.config import Config  # noqa: E402
from agents.ram.cores import LSTMCore, RectifierCore  # noqa: E402
from agents.ram.networks import GlimpseNetwork, Standardize  # noqa: E402
from agents.ram.objective import training_loss  # noqa: E402
from agents.ram.presets import GENERAL  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402

MODES = {"obs_mode": "dict", "action_mode": "dict", "autoreset_mode": gym.vector.AutoresetMode.DISABLED}
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 16), dtype=np.uint8)


def digits(lanes=4, **kwargs):
    kwargs = {"num_glimpses": 3, "patch_size": 4, **kwargs}
    return gym.make_vec("GlimpseMNIST-v0", num_envs=lanes, images=IMAGES, labels=np.arange(20) % 10, **MODES, **kwargs)


def catch(lanes=4, **kwargs):
    return gym.make_vec("CatchBall-v0", num_envs=lanes, screen_size=8, **MODES, **kwargs)


def gradients(loss, agent):
    """The modules that a loss moves."""
    agent.zero_grad()
    loss.backward()
    moved = {
        name.split(".")[0] for name, p in agent.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    agent.zero_grad()
    return moved


class Played:
    """A rollout, and what the agent makes of it when it sees it again, with gradient."""

    def __init__(self, rollout, outputs):
        self.rollout, self.outputs = rollout, outputs

    def __getattr__(self, name):
        return getattr(self.outputs if hasattr(self.outputs, name) else self.rollout, name)

    def but(self, **outputs):
        return Played(self.rollout, replace(self.outputs, **outputs))

    def loss(self, agent, entropy_bonus=0.0):
        return training_loss(self.rollout, self.outputs, agent, entropy_bonus)


def play(envs, config, seed=0, agent=None, **kwargs):
    torch.manual_seed(seed)
    agent = agent or make_agent(config, envs)
    rollout = collect_rollout(agent, envs, seed=seed, generator=torch.Generator().manual_seed(seed), **kwargs)
    outputs = agent.unroll(rollout.glimpses, rollout.seen_from, rollout.choices, rollout.prices)
    return agent, Played(rollout, outputs)


def test_glimpse_network_has_the_papers_layers():
    network = GlimpseNetwork((3, 12, 12), 3)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if "weight" in name}
    assert shapes == {
        "what.weight": (128, 432),
        "where.weight": (128, 2),
        "what_to_feature.weight": (256, 128),
        "where_to_feature.weight": (256, 128),
    }


@pytest.mark.parametrize("side", [5, 8, 12])
def test_convolutions_take_the_scales_as_channels(side):
    network = GlimpseNetwork((3, side, side), 3, convolutions=(16, 32))
    assert network.what[1].weight.shape == (16, 3, 3, 3)
    assert network.what[3].weight.shape == (32, 16, 3, 3)
    assert network(torch.rand(7, 3, side, side), torch.zeros(7, 2)).shape == (7, 256)


def test_a_patch_that_is_too_small_for_convolutions_is_refused():
    with pytest.raises(ValueError, match="at least 5x5, got 4x4"):
        GlimpseNetwork((1, 4, 4), 1, convolutions=(6, 10))


@pytest.mark.parametrize("filters", [(32,), (32, 64, 64), (32, 0)])
def test_convolutions_that_are_not_two_are_refused(filters):
    with pytest.raises(ValueError, match="convolutions must be two numbers of filters"):
        Config().but(network={"convolutions": filters})


def test_only_the_answers_pathway_is_convolutional():
    agent = make_agent(
        Config().but(network={"convolutions": (6, 10)}, gaze={"pathway": "separate"}), digits(patch_size=8)
    )
    assert {name: isinstance(n.what, torch.nn.Linear) for name, n in agent.glimpse_networks.items()} == {
        "what": False,
        "where": True,
    }


def test_summed_scaling_makes_a_lit_pixel_as_bright_in_every_scale():
    glimpse = torch.zeros(1, 2, 2, 2)
    glimpse[0, 0, 0, 0], glimpse[0, 1, 1, 1] = 1.0, 0.25  # one lit pixel, seen at both scales
    network = GlimpseNetwork((2, 2, 2), 2, "sum")
    scaled = glimpse.flatten(1) * network.brightness
    assert scaled[0, 0] == scaled[0, 7] == 1.0


def test_rectifier_core_is_the_papers_equation():
    core = RectifierCore(3, 2)
    features, hidden = torch.randn(5, 3), torch.randn(5, 2)
    (found,) = core(features, (hidden,))
    expected = hidden @ core.recurrent.weight.T + core.recurrent.bias + features @ core.input.weight.T + core.input.bias
    torch.testing.assert_close(found, expected.clamp(min=0))


def test_lstm_core_gives_the_hidden_state_first():
    core = LSTMCore(3, 2)
    hidden, cell = core(torch.randn(5, 3), core.initial_state(5, torch.device("cpu")))
    assert (hidden.abs() < cell.abs() + 1e-6).all()  # h = o * tanh(c)


def test_number_of_parameters_does_not_depend_on_the_image():
    config = Config()
    counts = {
        sum(p.numel() for p in make_agent(config, digits(canvas_size=size)).parameters()) for size in (16, 60, 200)
    }
    assert len(counts) == 1


def test_sampled_location_carries_no_gradient():
    _, rollout = play(digits(), Config())
    assert not rollout.locations.requires_grad
    assert rollout.location_mean.requires_grad


def test_sample_is_kept_as_drawn_where_the_environment_clips_it():
    _, rollout = play(digits(), Config().but(gaze={"std": 3.0}))
    assert rollout.locations.abs().max() > 1


def test_answer_moves_everything_but_location_network_and_baseline():
    agent, rollout = play(digits(), Config())
    loss = rollout.loss(agent)[1]["answer_loss"]
    assert not loss.requires_grad  # parts are for the log
    logits = rollout.logits["answer"][-1]
    moved = gradients(torch.nn.functional.cross_entropy(logits, rollout.labels), agent)
    assert moved == {"glimpse_networks", "cores", "action_networks"}


def test_location_moves_only_the_location_network():
    agent, rollout = play(digits(), Config())
    assert gradients(rollout.location_mean.square().sum(), agent) == {"location_network"}


def test_location_moves_the_core_where_an_option_says_so():
    agent, rollout = play(digits(), Config().but(gaze={"into_core": 0.5}))
    assert gradients(rollout.location_mean.square().sum(), agent) == {"location_network", "cores", "glimpse_networks"}


def test_half_of_the_gradient_is_half_of_the_gradient():
    found = []
    for share in (1.0, 0.5):
        agent, rollout = play(digits(), Config().but(gaze={"into_core": share}))
        rollout.location_mean.square().sum().backward()
        found.append(agent.cores["what"].input.weight.grad)
    torch.testing.assert_close(found[1], 0.5 * found[0], rtol=0.02, atol=1e-6)


def test_baseline_moves_only_itself():
    agent, rollout = play(digits(), Config())
    assert gradients(rollout.baseline.square().sum(), agent) == {"baseline_network"}


def test_separate_pathways_share_nothing():
    agent, rollout = play(digits(), Config().but(gaze={"pathway": "separate"}))
    rollout.location_mean.square().sum().backward(retain_graph=True)
    assert agent.cores["what"].input.weight.grad is None
    assert agent.cores["where"].input.weight.grad is not None
    where, what = agent.parameter_groups()["where"], agent.parameter_groups()["what"]
    assert len(where) + len(what) == len(list(agent.parameters()))
    assert not {id(p) for p in where} & {id(p) for p in what}


def test_last_location_which_is_never_used_is_not_trained():
    agent, rollout = play(digits(), Config().but(gaze={"std": 0.5}))
    rollout.location_mean.retain_grad()
    rollout.loss(agent)[0].backward()
    assert (rollout.location_mean.grad[:-1] != 0).all()
    assert (rollout.location_mean.grad[-1] == 0).all()


def test_greedy_looks_and_looks_of_somebody_else_do_not_count_as_explored():
    assert play(digits(), Config())[1].explored.all()
    assert not play(digits(), Config(), greedy=True)[1].explored.any()
    assert not play(digits(), Config(), gaze="oracle")[1].explored.any()


def test_relative_location_starts_from_the_last_glimpse():
    agent, rollout = play(digits(), Config().but(gaze={"mean": "relative", "std": 0.01}), greedy=True)
    with torch.no_grad():
        agent.location_network.weight.zero_()
        agent.location_network.bias.copy_(torch.tensor([0.25, -0.125]))
    envs = digits(initial_location=(0.1, 0.2))
    _, rollout = play(envs, agent.config, agent=agent, greedy=True)
    expected = torch.tensor([[0.35, 0.075], [0.6, -0.05], [0.85, -0.175]])
    torch.testing.assert_close(rollout.location_mean, expected[:, None].expand(3, 4, 2))


def test_dense_reward_pays_looks_and_what_they_cost_but_not_the_answer():
    """With lambda 0 and a baseline of zeros the advantage of a look is its own gain, less its price."""
    config = Config().but(learning={"look_reward": "gain", "gae_lambda": 0.0, "discount": 0.0})
    agent, rollout = play(digits(glimpse_cost=0.25), config)
    right = rollout.logits["answer"].softmax(-1)[..., :].gather(-1, rollout.labels.expand(3, 4)[..., None])[..., 0]
    rollout = rollout.but(baseline=0 * rollout.baseline)
    rollout.location_mean.retain_grad()
    rollout.loss(agent)[0].backward()
    advantages = (right[1:] - right[:-1] - 0.25).detach()
    way = (rollout.locations - rollout.location_mean).detach()[:-1]  # in units of the variance
    torch.testing.assert_close(rollout.location_mean.grad[:-1], -advantages[..., None] * way / 4)


def test_rewards_of_answers_are_refused_where_there_is_no_answer_to_be_right():
    with pytest.raises(ValueError, match='look_reward="gain" needs supervised answers'):
        make_agent(Config().but(learning={"look_reward": "gain"}, network={"core": "lstm"}), catch())


def test_a_gaze_that_stops_learning_is_refused_without_a_pathway_of_its_own():
    with pytest.raises(ValueError, match="separate"):
        Config().but(gaze={"learning_fraction": 0.5})


def test_gaze_that_learns_no_more_is_greedy_and_without_gradient():
    config = Config().but(gaze={"pathway": "separate"})
    agent = make_agent(config, digits())
    agent.gaze_learns = False
    _, rollout = play(digits(), config, agent=agent)
    assert not rollout.explored.any()
    torch.testing.assert_close(rollout.locations, rollout.location_mean.detach())
    assert {p.grad is None for p in agent.parameter_groups()["where"]} == {True}
    rollout.loss(agent)[0].backward()
    assert {p.grad is None for p in agent.parameter_groups()["where"]} == {True}
    assert all(p.grad is not None for p in agent.glimpse_networks["what"].parameters())


def test_early_answers_are_trained_where_an_option_says_so():
    for weight in (0.0, 0.5):
        agent, rollout = play(digits(), Config().but(learning={"early_answer_weight": weight}))
        rollout.logits["answer"].retain_grad()
        rollout.loss(agent)[0].backward()
        moved = rollout.logits["answer"].grad.abs().sum((1, 2))
        assert moved[-1] > 0
        assert (moved[:-1] > 0).all() == (weight > 0)


@pytest.mark.parametrize("gaze", ["random", "center"])
def test_location_that_was_not_chosen_is_not_trained(gaze):
    agent, rollout = play(digits(), Config().but(gaze={"policy": gaze}))
    assert "location_network" not in gradients(rollout.loss(agent)[0], agent)
    assert (rollout.locations == 0).all() == (gaze == "center")


def test_reward_alone_uses_no_label():
    config = Config().but(learning={"answer": "reinforce"})
    agent, rollout = play(digits(), config)
    blind = Played(replace(rollout.rollout, labels=None), rollout.outputs)
    torch.testing.assert_close(rollout.loss(agent)[0], blind.loss(agent)[0])


def test_outcomes_teach_without_labels_what_was_right_and_what_was_not():
    config = Config().but(learning={"answer": "outcome", "early_answer_weight": 1.0})
    agent, rollout = play(digits(), config)
    assert rollout.labels.equal(rollout.choices["answer"][-1])
    assert rollout.label_holds.equal(rollout.rewards[-1] > 0)
    assert rollout.label_holds.equal(rollout.successes)
    agent.gaze_learns = False
    loss = rollout.loss(agent)[1]["answer_loss"]
    p = rollout.outputs.logits["answer"][-1].softmax(-1).gather(1, rollout.labels[:, None])[:, 0]
    torch.testing.assert_close(loss, -torch.where(rollout.label_holds, p, 1 - p).log().mean().detach())


def test_what_teaches_answers_is_what_the_environment_can_teach():
    agent, _ = play(digits(), Config())
    found = []
    for can in ((True, True), (False, True), (False, False), (True, False)):
        agent.find_teacher(*can)
        found.append(agent.teacher)
    assert found == ["label", "outcome", "reinforce", "label"]


def test_agent_that_may_not_stop_looks_to_the_last_glimpse():
    _, rollout = play(digits(), Config())
    assert (rollout.num_glimpses == 3).all()
    assert "stop" not in rollout.logits


def test_agent_that_may_stop_stops_at_different_times():
    _, rollout = play(digits(lanes=64), Config().but(stopping={}))
    assert set(rollout.num_glimpses.tolist()) == {1, 2, 3}
    torch.testing.assert_close(rollout.active.sum(0).long(), rollout.num_glimpses)
    assert (rollout.last.sum(0) == 1).all()


def test_untrained_agent_that_may_stop_looks_on_nine_times_in_ten():
    _, rollout = play(digits(lanes=64, num_glimpses=9), Config().but(stopping={}))
    chances = rollout.logits["stop"].detach().softmax(-1)[..., 1]
    torch.testing.assert_close(chances, torch.full_like(chances, 0.1))
    assert rollout.num_glimpses.float().mean() > 4


def test_stop_is_not_trained_at_the_last_glimpse_where_it_changes_nothing():
    agent, rollout = play(digits(lanes=64), Config().but(stopping={}))
    rollout.logits["stop"].retain_grad()
    rollout.loss(agent)[0].backward()
    assert (rollout.logits["stop"].grad[2] == 0).all()
    assert (rollout.logits["stop"].grad[0] != 0).any()


PRICED = Config().but(gaze={"hidden": 8}, stopping={"price_range": (0.01, 0.04)})


def test_told_price_is_paid_for_each_glimpse_after_the_first():
    prices = torch.tensor([0.01, 0.02, 0.04]).repeat(20)
    _, rollout = play(digits(lanes=60), PRICED, prices=prices)
    _, free = play(digits(lanes=60), PRICED.but(stopping={"price_range": ()}))
    assert (free.num_glimpses == rollout.num_glimpses).all()
    torch.testing.assert_close(free.rewards.sum(0) - rollout.rewards.sum(0), prices * (rollout.num_glimpses - 1))


def test_price_reaches_stop_and_baseline_alone():
    agent = make_agent(PRICED, digits())
    with torch.no_grad():  # as training will
        agent.action_networks["stop"][-1].weight.normal_()
    cheap, dear = (play(digits(), PRICED, agent=agent, greedy=True, prices=price)[1] for price in (0.01, 0.04))
    assert (cheap.logits["stop"][0] != dear.logits["stop"][0]).all()
    assert (cheap.baseline[0] != dear.baseline[0]).all()
    assert (cheap.logits["answer"][0] == dear.logits["answer"][0]).all()
    assert (cheap.locations[0] == dear.locations[0]).all()


def test_price_that_is_not_told_is_the_middle_of_the_range():
    agent = make_agent(PRICED, digits())
    torch.testing.assert_close(agent.initial_state(2).price, torch.zeros(2, 1))
    torch.testing.assert_close(agent.initial_state(2, torch.tensor([0.01, 0.04])).price, torch.tensor([[-1.0], [1.0]]))


def test_stop_and_baseline_see_how_likely_each_answer_is_but_do_not_change_it():
    agent, rollout = play(digits(), PRICED.but(stopping={"sees_answer": True}, network={"baseline_hidden": 8}))
    assert agent.action_networks["stop"][0].in_features == agent.baseline_network[0].in_features == 256 + 1 + 10
    with torch.no_grad():  # of the core and the price they see nothing
        for network in (agent.action_networks["stop"], agent.baseline_network):
            network[0].weight[:, :257] = 0
            network[-1].weight.normal_()
    _, rollout = play(digits(), agent.config, agent=agent)
    assert rollout.logits["stop"].std(1).min() > 0
    assert rollout.baseline.std(1).min() > 0
    assert gradients(rollout.baseline.sum(), agent) == {"baseline_network"}


@pytest.mark.parametrize("price", [0.0, 0.009, 0.041, float("nan"), -1.0])
def test_price_that_was_not_trained_for_is_refused(price):
    with pytest.raises(ValueError, match=r"0\.01 to 0\.04"):
        make_agent(PRICED, digits()).initial_state(2, price)


def test_agent_that_is_not_told_prices_refuses_one():
    with pytest.raises(ValueError, match="price_range"):
        make_agent(Config().but(stopping={}), digits()).initial_state(2, 0.01)


@pytest.mark.parametrize("wrong", [{"price_range": (0.02, 0.01)}, {"price_range": (0.0, 0.1)}, {"price_range": (0.1,)}])
def test_range_of_prices_is_checked(wrong):
    with pytest.raises(ValueError, match="price_range"):
        PRICED.but(stopping=wrong)


def test_greedy_play_is_the_same_whatever_the_generator():
    envs = catch()
    agent = make_agent(Config().but(network={"core": "lstm"}), envs)
    one, other = (
        collect_rollout(agent, envs, seed=3, greedy=True, generator=torch.Generator().manual_seed(s)) for s in (0, 1)
    )
    assert (one.locations == other.locations).all()
    assert (one.choices["move"] == other.choices["move"]).all()


def test_catch_trains_move_and_location_through_the_core():
    config = Config().but(network={"core": "lstm", "previous_action": True}, gaze={"into_core": 1.0})
    agent, rollout = play(catch(), config)
    assert {"cores", "glimpse_networks", "location_network", "action_networks"} <= gradients(
        rollout.loss(agent, 0.01)[0], agent
    )
    assert agent.cores["what"].cell.weight_ih.shape[1] == 256 + 3


def test_oracle_looks_at_the_ball():
    _, rollout = play(catch(), Config().but(network={"core": "lstm"}), gaze="oracle")
    assert rollout.target_distances[1:].max() < 0.36  # within a pixel each way: where it was a step before


def test_oracle_looks_at_several_digits_in_turn_and_the_nearest_counts(fake_mnist):
    envs = gym.make_vec("GlimpseMNIST-Sum100-v0", num_envs=4, action_mode="dict", autoreset_mode="Disabled")
    _, info = envs.reset(seed=0)
    _, rollout = play(envs, Config(), gaze="oracle")
    for step in range(1, 8):
        expected = torch.from_numpy(info["target_locations"][:, (step - 1) % 2])
        torch.testing.assert_close(rollout.seen_from[step], expected.float())
    assert rollout.target_distances[1:].max() < 1e-6
    first = rollout.seen_from[0].numpy()[:, None] - info["target_locations"]
    np.testing.assert_allclose(rollout.target_distances[0], np.linalg.norm(first, axis=2).min(1), rtol=1e-5)


def test_environment_in_another_form_is_refused():
    with pytest.raises(ValueError, match="action_mode"):
        make_agent(Config(), gym.make_vec("CatchBall-v0", num_envs=2))


LOOKS = {"counterfactual": {"judge": "value", "candidates": 3}}


@pytest.mark.parametrize(
    ("envs", "settings"),
    [
        (digits, {}),
        (
            digits,
            {"network": {"core": "lstm", "input": "standardized"}, "gaze": {"pathway": "separate", "mean": "relative"}},
        ),
        (lambda: digits(num_scales=4), {"network": {"input": "standardized"}, "gaze": {"mean": "pointed"}}),
        (digits, {"stopping": {"sees_answer": True, "price_range": (0.01, 0.04)}}),
        (catch, {"network": {"core": "lstm", "previous_action": True}}),
    ],
    ids=["rectifier", "lstm", "pointed", "stop", "catch"],
)
def test_unrolled_episodes_are_the_decisions_that_were_made_in_them(envs, settings):
    decisions = []
    prices = torch.full((4,), 0.02) if "stopping" in settings else None
    _, played = play(envs(), Config().but(**settings), watch=decisions.append, prices=prices)
    torch.testing.assert_close(torch.stack([d.location_mean for d in decisions]), played.location_mean.detach())
    torch.testing.assert_close(torch.stack([d.baseline for d in decisions]), played.baseline.detach())
    for name, logits in played.logits.items():
        torch.testing.assert_close(torch.stack([d.logits[name] for d in decisions]), logits.detach())
    if settings.get("gaze", {}).get("mean") == "pointed":
        pointing = played.outputs.pointing.detach()
        torch.testing.assert_close(torch.stack([d.pointing for d in decisions]), pointing)


def test_candidates_are_judged_by_what_would_be_known_after_each_look():
    """The look that was taken is the first candidate: its score is what the answer's network says at the next step."""
    _, played = play(digits(), Config().but(counterfactual={"candidates": 3}))
    assert played.candidates.shape == (3, 3, 4, 2)
    assert played.candidate_scores.shape == (3, 3, 4)
    torch.testing.assert_close(played.candidates[:, 0], played.locations)
    known = played.logits["answer"].detach().softmax(-1)
    right = known.gather(-1, played.labels.expand(3, 4)[..., None])[..., 0]
    torch.testing.assert_close(played.candidate_scores[:-1, 0], right[1:])
    assert (played.candidate_scores[-1] == 0).all()  # no look follows the last decision


def test_candidates_are_judged_by_the_baseline_where_the_reward_alone_teaches():
    config = Config().but(learning={"answer": "reinforce"}, counterfactual={"judge": "value"})
    _, played = play(digits(), config)
    torch.testing.assert_close(played.candidate_scores[:-1, 0], played.baseline.detach()[1:])


def test_gaze_learns_by_reinforce_where_looks_are_judged_by_answers_and_no_label_teaches():
    config = Config().but(learning={"answer": "reinforce"}, counterfactual={})
    assert play(digits(), config)[1].candidates is None
    assert play(digits(), Config().but(counterfactual={}))[1].candidates is not None


def test_some_episodes_look_where_a_greedy_agent_would_and_their_candidates_are_compared_all_the_same():
    keen = torch.tensor([True, False, True, False])
    agent, played = play(digits(), Config().but(gaze={"std": 0.5}, **LOOKS), keen=keen)
    assert (played.explored == (~keen).float()).all()
    torch.testing.assert_close(played.locations[:, keen], played.location_mean.detach()[:, keen])
    played.location_mean.retain_grad()
    played.loss(agent)[0].backward()
    assert (played.location_mean.grad[:-1] != 0).any(-1).all()
    assert (played.location_mean.grad[-1] == 0).all()  # never looked at


@pytest.mark.parametrize(("trust", "better"), [(0.0, 1), (1.0, 0)])
def test_until_the_baseline_is_trusted_looks_are_worth_what_they_foretell_and_then_what_they_promise(trust, better):
    """After the first look too much is expected, after the second what comes: nothing is ever paid here."""
    config = Config().but(**LOOKS).but(counterfactual={"judge": "return", "candidates": 2})
    agent, played = play(catch(), config)
    agent.trust = trust
    sides = torch.tensor([-0.01, 0.01])[:, None, None].expand(2, 4, 2)
    looks = played.location_mean.detach()[:, None] + sides
    scores = torch.tensor([1.0, 0.0])[:, None].expand(len(looks), 2, 4)
    rollout = replace(played.rollout, candidates=looks, candidate_scores=scores, rewards=0 * played.rewards)
    played = Played(rollout, replace(played.outputs, baseline=0 * played.baseline))
    played.location_mean.retain_grad()
    played.loss(agent)[0].backward()
    # The last location is not looked at, and of the one before it the outcome is the episode's end.
    pulled = -played.location_mean.grad[:-2].sign()
    assert (pulled == sides[better].sign()).all()


@pytest.mark.parametrize(("likelier", "learns"), [(0.0, True), (3.0, False)])
def test_what_became_much_likelier_than_when_it_was_played_is_not_made_likelier_still(likelier, learns):
    config = Config().but(learning={"parts": 2, "entropy_bonus": 0.0})
    agent, played = play(catch(), config)
    chosen = torch.nn.functional.one_hot(played.choices["move"], 3)
    made = played.rollout.made
    assert made is not None
    before = {"move": made.logits["move"] - likelier * chosen}
    rollout = replace(played.rollout, made=replace(made, logits=before), rewards=played.rewards + 1.0)
    logits = played.outputs.logits["move"].detach().requires_grad_()
    outputs = replace(played.outputs, logits={"move": logits}, location_mean=played.location_mean.detach())
    Played(replace(rollout, explored=0 * rollout.explored), outputs).loss(agent)[0].backward()
    assert bool(logits.grad.abs().sum() > 0) == learns


def test_places_are_explored_again_where_moves_change_what_is_to_be_seen():
    for envs, remembers in ((digits(), True), (catch(), False)):
        agent = make_agent(Config().but(**LOOKS), envs)
        glimpse = torch.zeros(4, *envs.single_observation_space["glimpse"].shape)
        _, state = agent.act(glimpse, torch.zeros(4, 2), agent.initial_state(4))
        assert (state.seen is not None) == remembers


def test_comparing_looks_leaves_the_episode_as_it_is():
    plain, compared = (
        play(catch(), Config().but(network={"core": "lstm"}, **changes), greedy=True)[1] for changes in ({}, LOOKS)
    )
    assert compared.candidates is None  # a greedy agent compares nothing
    assert plain.glimpses.shape == compared.glimpses.shape


def test_standardised_pixels_have_mean_0_and_deviation_1_scale_by_scale():
    standardize = Standardize(2)
    glimpses = (
        torch.rand(500, 2, 4, 4) * torch.tensor([1.0, 0.05])[:, None, None] + torch.tensor([0.0, 0.9])[:, None, None]
    )
    after = torch.full((1, 500, 2, 4, 4), 100.0)  # an episode's end, which does not count
    counts = torch.tensor([1.0, 0.0])[:, None].expand(-1, 500)
    standardize.learn(standardize.measure(torch.cat([glimpses[None], after]), counts))
    found = standardize(glimpses)
    torch.testing.assert_close(found.mean((0, 2, 3)), torch.zeros(2), atol=0.02, rtol=0)
    torch.testing.assert_close(found[:, 0].std(), torch.ones(()), atol=0.02, rtol=0)
    assert 0.9 < found[:, 1].std() < 1.1


def test_standardisation_of_a_dark_scene_is_finite():
    standardize = Standardize(1)
    standardize.learn(standardize.measure(torch.zeros(1, 3, 1, 4, 4), torch.ones(1, 3)))
    assert standardize(torch.zeros(3, 1, 4, 4)).isfinite().all()


def test_in_training_a_gaze_that_sees_too_little_to_point_at_steps_with_a_pathway_of_its_own(fake_mnist):
    config = GENERAL.but(env="GlimpseMNIST-v0")
    for scales, points, cores in ((1, False, {"what", "where"}), (3, True, {"what"})):  # of 8 pixels, of 28
        given = config.but(env_args=(f"num_scales={scales}",))
        envs = make_envs(given, 1)
        agent = make_agent(fit_gaze(given, envs), envs)
        assert (agent.points, agent.cores.keys()) == (points, cores)
        random = given.but(gaze={"policy": "random"})
        assert fit_gaze(random, envs) == random


@pytest.mark.parametrize("env", ["GlimpseMNIST-v0", "GlimpseMNIST-Moving60-v0"])
def test_exploration_leaves_out_where_it_has_looked_but_where_things_move(env, fake_mnist, monkeypatch):
    told = []
    monkeypatch.setattr(
        "agents.ram.agent.salient_places", lambda *given: told.append(given[5]) or salience.salient_places(*given)
    )
    envs = make_envs(GENERAL.but(env=env), 2)
    agent = make_agent(GENERAL.but(env=env), envs).train()
    collect_rollout(agent, envs, seed=0)
    assert all((seen is None) == (env != "GlimpseMNIST-v0") for seen in told)
    assert told
