"""Episodes that go on from update to update."""

from contextlib import ExitStack

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from agents.experiment import episodes  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT  # noqa: E402
from agents.ram.agent import make_agent  # noqa: E402
from agents.ram.checkpoint import load_state  # noqa: E402
from agents.ram.losses import advantages_and_returns  # noqa: E402
from agents.ram.ongoing import Ongoing  # noqa: E402
from agents.ram.presets import GENERAL, GENERAL_MOVES, PRESETS  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from ram_envs.batched_env import RetinaVectorEnv  # noqa: E402
from tests.ram.test_team import make_team  # noqa: E402


class Uneven(RetinaVectorEnv):
    """Episodes of 2 to 9 steps, paid 1 for each and 10 for the last; every step shows noise of its own."""

    def __init__(self, num_envs=1, even=False, **retina):
        self.lengths, self.shades, self.even = np.zeros(num_envs, int), np.zeros(num_envs, int), even
        super().__init__(num_envs, screen=(9, 9, 1), choices={"move": 3}, num_draws=1, **retina)
        self.begun = 0

    def begin(self, lanes, draws, options):
        self.shades[lanes] = 1000 * draws[:, 2]
        self.lengths[lanes] = 4 if self.even else 2 + (8 * draws[:, 2]).astype(int)
        self.begun += len(lanes)

    def advance(self, lanes, choices):
        over = self.steps[lanes] + 1 == self.lengths[lanes]
        return np.where(over, 10.0, 1.0), over

    def screens(self, lanes):
        noise = np.arange(81).reshape(9, 9, 1) * (1 + self.steps[lanes] + self.shades[lanes])[:, None, None, None]
        return (37 * noise % 256).astype(np.uint8)

    def facts(self, ended):
        return super().facts(ended) | {"is_success": ended & (self.lengths > 5)}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 20, "test": 20})
    gym.register("Uneven-v0", vector_entry_point=Uneven)
    yield
    del gym.registry["Uneven-v0"]


def uneven(*words, steps=6, **changes):
    return GENERAL_MOVES.but(
        env="Uneven-v0",
        env_args=("patch_size=4", *words),
        network={"hidden_size": 16},
        gaze={"hidden": 8},
        learning={"batch_size": 5, "rollout_steps": steps, "parts": 2},
        run={"episodes": 60, "evaluations": 2, "report_every": 1, "device": "cpu", "matmul_precision": "highest"},
    ).but(**changes)


def play(config, rollouts=3, lanes=5):
    """Agent, environments, and rollouts that follow one another, with what the agent decided in each."""
    torch.manual_seed(0)
    envs = make_envs(config, lanes)
    agent = make_agent(config, envs)
    ongoing, played = Ongoing(config.learning.rollout_steps), []
    generator = torch.Generator().manual_seed(0)
    for number in range(rollouts):
        decisions, activations = [], agent.start_activations()
        rollout = collect_rollout(
            agent,
            envs,
            seed=None if number else 0,
            generator=generator,
            keen=torch.zeros(lanes, dtype=torch.bool),
            watch=decisions.append,
            activations=activations,
            ongoing=ongoing,
        )
        played.append((rollout, decisions, activations))
    return agent, envs, ongoing, played


def test_where_an_episode_is_over_the_next_begins_and_where_none_is_it_goes_on():
    _, envs, _, played = play(uneven(), rollouts=4)
    last = torch.cat([rollout.last for rollout, *_ in played])
    stays = torch.cat([torch.ones(6, 5) if rollout.stays is None else rollout.stays for rollout, *_ in played])
    assert last.shape == (24, 5)
    assert torch.equal(stays[1:], 1 - last[:-1])
    assert all(rollout.active.all() for rollout, *_ in played)
    assert envs.unwrapped.begun == 5 + last[:-1].sum()
    lengths = [np.diff(np.flatnonzero([1, *lane])) for lane in last.T.numpy()]
    assert {2, 9} <= {length for lane in lengths for length in lane} <= set(range(2, 10))


def answering():
    """Answers by REINFORCE, in episodes of seven glimpses, by a gaze that points and knows where it has looked."""
    return uneven(
        env="GlimpseMNIST-v0",
        env_args=("num_glimpses=7", "num_scales=3"),
        gaze={"mean": "pointed"},
        learning={"answer": "reinforce"},
    )


@pytest.mark.parametrize("config", [uneven(), uneven("num_scales=2", gaze={"mean": "pointed"}), answering()])
def test_what_learning_sees_is_what_playing_saw_whether_kept_or_made_again(fake_mnist, config):
    agent, _, _, played = play(config)
    assert agent.points == (config.gaze.mean == "pointed")
    for rollout, decisions, activations in played:
        for kept in (None, activations):
            outputs = agent.unroll(
                rollout.glimpses, rollout.seen_from, rollout.choices, None, kept, rollout.start, rollout.stays
            )
            for name in ("location_mean", "baseline", *(["pointing"] if agent.points else [])):
                torch.testing.assert_close(
                    getattr(outputs, name), torch.stack([getattr(each, name) for each in decisions])
                )
            for name, logits in outputs.logits.items():
                torch.testing.assert_close(logits, torch.stack([each.logits[name] for each in decisions]))
        part, lanes = rollout.of(slice(1, None, 2)), outputs.baseline[:, 1::2]
        again = agent.unroll(part.glimpses, part.seen_from, part.choices, None, None, part.start, part.stays)
        torch.testing.assert_close(again.baseline, lanes)
        torch.testing.assert_close(part.made.baseline, lanes)
        torch.testing.assert_close(rollout.made.logits, outputs.logits)


def test_an_episodes_gradient_goes_back_to_its_first_step_and_no_further():
    agent, _, _, played = play(uneven())
    rollout = played[1][0]
    step, lane = next(iter(zip(*np.nonzero(rollout.stays[2:].numpy() == 0), strict=True)))
    step += 2
    glimpses = rollout.glimpses.clone().requires_grad_()
    outputs = agent.unroll(glimpses, rollout.seen_from, rollout.choices, None, None, rollout.start, rollout.stays)
    outputs.logits["move"][step, lane].sum().backward()
    reached = glimpses.grad[:, lane].abs().sum((1, 2, 3)) > 0
    assert reached.tolist() == [here == step for here in range(6)]
    glimpses.grad = None
    again = agent.unroll(glimpses, rollout.seen_from, rollout.choices, None, None, rollout.start, rollout.stays)
    again.logits["move"][step - 1, lane].sum().backward()
    assert (glimpses.grad[step - 2 : step, lane].abs().sum((1, 2, 3)) > 0).all()


def test_gradients_of_ongoing_steps_are_those_of_pytorchs_own_cell():
    core = make_agent(uneven(), make_envs(uneven(), 1)).cores["what"].double()
    features = torch.randn(6, 3, core.cell.input_size).double().requires_grad_()
    start = tuple(torch.randn(3, 16).double() for _ in range(2))
    stays = (torch.rand(6, 3) > 0.4).double()
    stays[0] = 1.0  # the state before the first step is as it is
    hidden, cell = start
    plain = []
    for step, given in enumerate(features):
        hidden, cell = core.cell(given, (hidden * stays[step, :, None], cell * stays[step, :, None]))
        plain.append(hidden)
    made, weights = core.unroll(features, None, start, stays), torch.randn(6, 3, 16).double()
    torch.testing.assert_close(made, torch.stack(plain))
    inputs = [features, *core.parameters()]
    expected = torch.autograd.grad((torch.stack(plain) * weights).sum(), inputs)
    for found, right in zip(torch.autograd.grad((made * weights).sum(), inputs), expected, strict=True):
        torch.testing.assert_close(found, right)


def test_advantages_of_episodes_in_a_row_are_those_of_each_alone():
    rewards, baselines = torch.randn(7, 1), torch.randn(7, 1)
    last = torch.tensor([0, 0, 1, 0, 0, 0, 0.0])[:, None]
    together = advantages_and_returns(rewards, baselines, torch.ones(7, 1), 0.9, 0.8, last)
    for part in (slice(0, 3), slice(3, 7)):
        alone = advantages_and_returns(rewards[part], baselines[part], torch.ones_like(rewards[part]), 0.9, 0.8)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[part], other)


def test_what_is_expected_of_an_episode_that_goes_on_unseen_is_added_to_the_last_reward():
    agent, _, _, played = play(uneven())
    (rollout, *_), (following, decisions, _) = played[:2]
    goes_on = following.stays[0] > 0
    assert goes_on.any()
    expected = 1.0 + 0.99 * decisions[0].baseline * agent.return_scale
    torch.testing.assert_close(rollout.rewards[-1][goes_on], expected[goes_on])
    assert set(rollout.rewards[:-1].unique().tolist()) == {1.0, 10.0}


def test_an_episode_that_a_limit_cuts_short_is_not_one_that_ended():
    _, _, _, played = play(uneven("max_episode_steps=2", steps=9))
    rewards, last = (torch.cat([getattr(rollout, name) for rollout, *_ in played]) for name in ("rewards", "last"))
    cut = last.bool() & ((rewards - 10).abs() > 1e-6)
    assert last.bool().sum() > cut.sum() > 0  # some are two steps long anyway
    assert ((rewards[cut] - 1).abs() > 1e-6).all()
    assert (rewards[~last.bool()] == 1).all()


def test_reports_are_of_whole_episodes():
    _, _, _, played = play(uneven(), rollouts=5)
    last = torch.cat([rollout.last for rollout, *_ in played])
    final = played[-1][0]
    for lane in range(5):
        ends = np.flatnonzero(last[:, lane].numpy())
        length = ends[-1] - (ends[-2] if len(ends) > 1 else -1)
        assert final.returns[lane] == length + 9
        assert final.num_glimpses[lane] == length + 1
        assert final.successes[lane] == (length > 5)


def test_where_all_episodes_are_equally_long_rollouts_are_whole_episodes():
    _, _, ongoing, played = play(uneven("even=True", steps=6))
    for rollout, *_ in played:
        assert rollout.start is None
        assert rollout.stays is None
        assert len(rollout.rewards) == 4
        assert rollout.rewards[-1].eq(10).all()
        assert rollout.returns.eq(13).all()
    assert ongoing.moment is None


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (GENERAL_MOVES, 32),
        (GENERAL_MOVES.but(network={"core": "rectifier"}), 0),
        (PRESETS["catch"], 0),
        (GENERAL.but(learning={"rollout_steps": 5, "answer": "reinforce"}, network={"core": "lstm"}), 5),
        (GENERAL.but(learning={"rollout_steps": 5, "answer": "outcome"}, network={"core": "lstm"}), 0),
    ],
)
def test_episodes_go_on_where_all_is_learnt_by_reinforce_through_an_lstm(settings, steps, fake_mnist):
    config = settings.but(env="GlimpseMNIST-v0" if settings.name == "general" else "CatchBall-v0")
    assert make_agent(config, make_envs(config, 1)).rollout_steps == steps


def test_a_training_is_over_when_so_many_episodes_are(tmp_path):
    result = train(uneven(), tmp_path)
    state = load_state(tmp_path / CHECKPOINT)
    assert 60 <= state["finished"] < 60 + 5 * 3
    assert [point["episodes"] for point in result["curve"]][-1] == state["finished"]
    assert len(result["curve"]) == 2
    assert state["frames"] == state["update"] * 30


def test_a_resumed_training_counts_on_with_new_episodes(tmp_path):
    trainer = Trainer(uneven(), tmp_path)
    for _ in range(3):
        trainer.step()
    trainer.save()
    again = Trainer(uneven(), tmp_path)
    again.restore(load_state(tmp_path / CHECKPOINT))
    assert (again.episodes, again.frames, again.progress) == (trainer.episodes, trainer.frames, trainer.episodes / 60)
    again.step()
    assert again.episodes >= trainer.episodes > 0


@pytest.mark.parametrize("words", [(), ("even=True",)])
def test_a_team_plays_and_learns_what_one_process_does(words, tmp_path):
    config = uneven(*words, optimizer={"method": "sgd", "learning_rate": 1e-4})
    with ExitStack() as stack:
        together, alone = make_team(stack, config, tmp_path, 2), Trainer(config, tmp_path)
        for _ in range(4):
            together.step()
            alone.step()
        one, other = alone.state(), together.state()
    for name in ("finished", "frames", "lanes"):
        assert one[name] == other[name]
    assert other["window"] == pytest.approx(one["window"], rel=1e-4, abs=1e-5)
    for name, weight in one["agent"].items():
        torch.testing.assert_close(other["agent"][name], weight, rtol=1e-5, atol=1e-6, msg=name)


def test_long_episodes_are_scored_and_what_was_seen_of_them_is_not_kept(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(
        "agents.ram.evaluation.collect_rollout", lambda *a, **k: kept.append(collect_rollout(*a, **k)) or kept[-1]
    )
    monkeypatch.setattr("agents.experiment.episodes.MOST_GLIMPSES", 8)  # of an update
    assert Trainer(uneven(), tmp_path).score("validation").episodes == 20
    (rollout,) = kept
    assert len(rollout.rewards) > 2
    assert len(rollout.glimpses) == 1


def test_success_is_reported_also_where_only_the_end_of_an_episode_tells_of_it(tmp_path, monkeypatch):
    class Quiet(Uneven):
        def facts(self, ended):
            found = super().facts(ended)
            return found if ended.any() else {name: value for name, value in found.items() if name != "is_success"}

    gym.register("Quiet-v0", vector_entry_point=Quiet)
    try:
        rollouts = play(uneven().but(env="Quiet-v0"), rollouts=9)[3]
    finally:
        del gym.registry["Quiet-v0"]
    told = [rollout.tells_success for rollout, *_ in rollouts]
    assert told == sorted(told)  # once told, always
    assert told[-1]


def test_an_episode_of_which_nothing_is_told_is_no_success():
    ongoing, one = Ongoing(8), np.array([True])
    ongoing._count(np.zeros(1), one, {"num_glimpses": np.array([2]), "is_success": one})
    assert ongoing._successes.tolist() == [True]
    ongoing._count(np.zeros(1), one, {"num_glimpses": np.array([2])})
    assert ongoing._successes.tolist() == [False]
    assert ongoing._tells_success
