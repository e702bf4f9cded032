"""Worlds that ask for more than an answer, or tell less: moves beside answers, several answers, truncation, odd names and types."""

import json

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import ram_envs  # noqa: E402
from agents.experiment.episodes import make_envs  # noqa: E402
from agents.experiment.run_folder import CHECKPOINT, METRICS  # noqa: E402
from agents.ram.agent import RecurrentAttentionAgent, make_agent  # noqa: E402
from agents.ram.checkpoint import begin_with, load_agent, load_state  # noqa: E402
from agents.ram.config import Config, StoppingConfig  # noqa: E402
from agents.ram.networks import ControlHead  # noqa: E402
from agents.ram.objective import training_loss  # noqa: E402
from agents.ram.ongoing import Ongoing  # noqa: E402
from agents.ram.presets import GENERAL, PRESETS  # noqa: E402
from agents.ram.rollout import collect_rollout  # noqa: E402
from agents.ram.training import Trainer, train  # noqa: E402
from agents.ram.watching import play_episodes  # noqa: E402
from ram_envs import RetinaVectorWrapper  # noqa: E402
from ram_envs.batched_env import RetinaVectorEnv  # noqa: E402


class Counted(RetinaVectorEnv):
    """Four steps, each paid for option 1 of the choice `move`; the answer, 0 or 1, is the label of a noisy picture."""

    one_answer = True

    def __init__(self, num_envs=1, move="move", **retina):
        self.move = move
        super().__init__(
            num_envs, screen=(9, 9, 1), choices={"answer": 2, move: 2}, num_draws=1, max_glimpses=5, **retina
        )
        self.tells_label = True
        self.seen = np.zeros(num_envs, np.uint8)

    def begin(self, lanes, draws, options):
        self.seen[lanes] = draws[:, 2] < 0.5

    def advance(self, lanes, choices):
        over = self.steps[lanes] == 3
        right = over & (choices["answer"] == self.seen[lanes])
        return choices[self.move] + 1.0 * right, over

    def screens(self, lanes):
        return np.broadcast_to(200 * self.seen[lanes, None, None, None], (len(lanes), 9, 9, 1)).astype(np.uint8)

    def facts(self, ended):
        won = (ended & (self.rewards > 0)).astype(np.float32)  # a number, as some environments tell it
        return super().facts(ended) | {"label": self.seen, "is_success": won}


@pytest.fixture(autouse=True)
def registered(fake_mnist, monkeypatch):
    monkeypatch.setattr("agents.experiment.episodes.FRESH_EPISODES", {"validation": 300, "test": 400})
    gym.register("Counted-v0", vector_entry_point=Counted)
    yield
    del gym.registry["Counted-v0"]


def tiny(config=GENERAL, **changes):
    run = {"episodes": 96, "evaluations": 1, "report_every": 1, "device": "cpu", "matmul_precision": "highest"}
    return config.but(**{"network": {"hidden_size": 16}, "learning": {"batch_size": 16}, "run": run, **changes})


def counted(**changes):
    return tiny(**{"env": "Counted-v0", "env_args": ("patch_size=4",), **changes})


def losses_of(config, lanes=16, **kwargs):
    torch.manual_seed(0)
    envs = make_envs(config, lanes)
    agent = make_agent(config, envs)
    agent.find_teacher(envs.unwrapped.tells_label, envs.unwrapped.one_answer)
    rollout = collect_rollout(agent, envs, seed=0, generator=torch.Generator().manual_seed(0), **kwargs)
    outputs = agent.unroll(rollout.glimpses, rollout.seen_from, rollout.choices, rollout.prices)
    for logits in outputs.logits.values():
        logits.retain_grad()
    loss, parts = training_loss(rollout, outputs, agent, 0.0)
    loss.backward()
    return agent, rollout, outputs, parts


@pytest.mark.parametrize("gaze", [{}, {"policy": "center", "pathway": "shared"}])
def test_moves_beside_a_labelled_answer_are_taught_at_every_step_by_what_comes_of_them(gaze):
    config = counted(gaze=gaze, **({"counterfactual": None} if gaze else {}))
    _, _, outputs, _ = losses_of(config)
    assert (outputs.logits["move"].grad.abs().sum((1, 2)) > 0).all()


def test_moves_beside_a_labelled_answer_are_learnt(tmp_path):
    trainer = Trainer(
        counted(learning={"batch_size": 64}, optimizer={"learning_rate": 1e-2}, run={"episodes": 2560}), tmp_path
    )
    for _ in range(40):
        trainer.step()
    assert trainer.report()["move_entropy"] < 0.6
    envs = make_envs(trainer.config, 50)
    assert collect_rollout(trainer.agent, envs, seed=0, greedy=True).choices["move"].float().mean() > 0.9


@pytest.mark.parametrize("judge", ["value", "return"])
@pytest.mark.parametrize("reward", [0.1, 10_000.0])
def test_baselines_learn_returns_of_any_size_in_units_of_their_spread(judge, reward, tmp_path, monkeypatch):
    advance = Counted.advance
    monkeypatch.setattr(
        Counted, "advance", lambda self, *played: (reward * (found := advance(self, *played))[0], found[1])
    )
    world = {"env": "Counted-v0", "env_args": ("patch_size=4",), "run": {"episodes": 480}}
    config = tiny(PRESETS["general-moves"], **world, counterfactual={"judge": judge})
    trainer, losses = Trainer(config, tmp_path), []
    for _ in range(30):
        trainer.step()
        losses.append(trainer.report()["baseline_loss"])
    assert max(losses) < 5
    if reward < 1 and judge == "value":
        assert trainer.agent.return_scale == 1.0
    else:
        assert 0.5 < trainer.agent.return_scale / reward < 2
    trainer.explains, trainer.agent.trust = 0.02, 0.4
    trainer.save()
    again = Trainer(config, tmp_path)
    again.restore(load_state(tmp_path / CHECKPOINT))
    assert (again.agent.return_scale, again.return_spread) == (trainer.agent.return_scale, trainer.return_spread)
    assert (again.agent.trust, again.explains) == (trainer.agent.trust, trainer.explains)


def test_rewards_of_millions_train_from_the_first_update_on_without_clipping(tmp_path, monkeypatch):
    advance = Counted.advance
    monkeypatch.setattr(
        Counted, "advance", lambda self, *played: (1e6 * (found := advance(self, *played))[0], found[1])
    )
    config = Config().but(env="Counted-v0", env_args=("patch_size=4",), run={"episodes": 200})
    trainer = Trainer(config, tmp_path)
    for _ in range(5):
        trainer.step()  # raises where anything is not finite
        assert trainer.report()["baseline_loss"] < 5


def test_every_answer_of_a_sequence_is_taught_and_seen_again():
    config = tiny(env="GlimpseMNIST-Sum100-v0", env_args=("answer=sequence",))
    agent, rollout, outputs, _ = losses_of(config)
    before = rollout.active * (1 - rollout.last) > 0
    assert agent.teacher == "reinforce"
    assert (outputs.logits["answer"].grad.abs().sum(2)[before] > 0).any()
    assert set(agent._moves) == {"answer", "say"}
    alone = tiny(env="GlimpseMNIST-v0")
    assert not make_agent(alone, make_envs(alone, 1))._moves


def test_following_teaches_the_gaze_by_its_reward():
    config = tiny(env="GlimpseMNIST-Moving60-v0", env_args=("reward=follow",))
    envs = make_envs(config, 2)
    agent = make_agent(config, envs)
    agent.find_teacher(envs.unwrapped.tells_label, envs.unwrapped.one_answer)
    assert (agent.teacher, agent.compares) == ("reinforce", False)


def test_an_episode_that_was_cut_short_tells_nothing_of_its_answer():
    config = tiny(env="GlimpseMNIST-v0", env_args=("max_episode_steps=2",), learning={"answer": "outcome"})
    _, rollout, outputs, parts = losses_of(config)
    assert not rollout.judged.any()
    assert parts["answer_loss"] == parts["early_answer_loss"] == 0
    assert (outputs.logits["answer"].grad == 0).all()


def test_success_may_be_told_as_a_number():
    _, rollout, *_ = losses_of(counted())
    assert rollout.tells_success
    assert rollout.successes.dtype == torch.bool


@pytest.mark.parametrize("name", ["forward", "keys", "training", "value", "arm.left"])
def test_a_choice_may_have_any_name(name, tmp_path):
    config = counted(env_args=("patch_size=4", f"move={name}"))
    train(config, tmp_path)
    envs = make_envs(config, 1, render_mode="rgb_array")
    agent, shown = load_agent(tmp_path / CHECKPOINT, envs), []
    play_episodes(agent, envs, shown.append)
    assert name in shown[0].bars


def test_values_judge_looks_by_all_that_they_are_told():
    config = tiny(
        env="GlimpseMNIST-v0",
        counterfactual={"judge": "value"},
        stopping=StoppingConfig(sees_answer=True, price_range=(0.01, 0.1)),
    )
    _, rollout, *_ = losses_of(config, prices=torch.linspace(0.01, 0.1, 16))
    assert rollout.candidate_scores[0].std() > 0


def test_what_stopping_needs_is_named():
    with pytest.raises(ValueError, match='stopping needs an environment with a choice "stop"; this one has move'):
        RecurrentAttentionAgent(Config(stopping=StoppingConfig()), (1, 4, 4), 1, {"move": 3})
    with pytest.raises(ValueError, match=r'sees_answer needs .* a choice "answer"; this one has stop'):
        RecurrentAttentionAgent(Config(stopping=StoppingConfig(sees_answer=True)), (1, 4, 4), 1, {"stop": 2})


def test_gains_of_looks_are_refused_where_moves_earn_rewards_too():
    with pytest.raises(ValueError, match="an answer and nothing else"):
        RecurrentAttentionAgent(
            Config(learning=Config().learning.but(look_reward="gain")), (1, 4, 4), 1, {"answer": 2, "move": 2}
        )


def test_a_deviation_that_learning_took_too_far_comes_back():
    head = ControlHead(4, gym.spaces.Box(-1, 1, (1,)))
    optimizer = torch.optim.SGD(head.parameters(), 0.1)
    for way in (1, -1):
        for _ in range(50 if way > 0 else 2):
            optimizer.zero_grad()
            (-way * head.std.sum()).backward()
            optimizer.step()
        assert head.std.item() == 1.0 if way > 0 else head.std.item() < 1.0


def test_one_episode_a_batch_explores_less_and_less(tmp_path):
    trainer = Trainer(tiny(env="GlimpseMNIST-v0", learning={"batch_size": 1}, run={"episodes": 40}), tmp_path)
    for _ in range(20):
        trainer.step()
    assert trainer.explored == 1.0


def test_a_single_glimpse_leaves_no_nan_in_the_reports(tmp_path):
    train(tiny(env="GlimpseMNIST-v0", env_args=("num_glimpses=1",)), tmp_path)
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert lines


def test_a_resumed_run_needs_no_longer_the_weights_that_it_began_with(tmp_path):
    first, config = tmp_path / "first", tiny(env="GlimpseMNIST-v0")
    train(config, first)
    config = config.but(run={"warm_start": str(first)})
    (tmp_path / "second").mkdir()
    trainer = Trainer(config, tmp_path / "second")
    trainer.step()
    trainer.save()
    (first / CHECKPOINT).unlink()
    with pytest.raises(FileNotFoundError):
        begin_with(trainer.agent, str(first))
    assert train(config, tmp_path / "second", resume=True)


def test_a_trained_agent_samples_with_the_deviation_that_it_ended_with_and_compares_no_more(tmp_path):
    for config in (tiny(env="GlimpseMNIST-v0"), tiny(PRESETS["catch"])):
        folder = tmp_path / config.env
        folder.mkdir()
        trained = Trainer(config, folder)
        trained.save()
        envs = make_envs(config, 2)
        agent = load_agent(folder / CHECKPOINT, envs)
        assert agent.location_std == pytest.approx(trained.agent.final_std)
        assert agent.location_std < config.gaze.std
        assert collect_rollout(agent, envs, seed=0).candidates is None
        assert load_state(folder / CHECKPOINT)["update"] == 0


class Pixels(gym.Env):
    """Noise of its own generator, six steps."""

    observation_space, action_space = gym.spaces.Box(0, 255, (12, 12), np.uint8), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.np_random.integers(0, 256, (12, 12), np.uint8), {}

    def step(self, action):
        self.steps += 1
        return self.np_random.integers(0, 256, (12, 12), np.uint8), 1.0, self.steps == 6, False, {}


@pytest.mark.parametrize("relative", [False, 0.5])
@pytest.mark.parametrize("gaze", ["center", "random"])
def test_somebody_elses_gaze_looks_where_it_says_also_where_actions_are_steps(relative, gaze):
    envs = RetinaVectorWrapper(
        [Pixels(), Pixels()], relative=relative, patch_size=4, action_mode="dict", autoreset_mode="Disabled"
    )
    config = tiny(PRESETS["general-moves"])
    rollout = collect_rollout(make_agent(config, envs), envs, seed=0, gaze=gaze)
    if gaze == "center":
        assert rollout.seen_from[3:].abs().max() < 1e-6  # after two steps of half the way
    else:
        assert rollout.seen_from.std() > 0.3


@pytest.mark.parametrize("mean", ["relative", "pointed"])
@pytest.mark.parametrize("relative", [False, 0.5, True])
def test_looks_are_compared_where_actions_lead(relative, mean, monkeypatch):
    """The first of the looks that are compared is the one that is taken: it saw what is seen next, at the place where that is."""
    envs = RetinaVectorWrapper(
        [Pixels(), Pixels()], relative=relative, patch_size=4, action_mode="dict", autoreset_mode="Disabled"
    )
    config = tiny(PRESETS["general-moves"], gaze={"mean": mean, "pathway": "shared"})
    agent = make_agent(config, envs)
    judged = []
    monkeypatch.setattr(
        agent, "judge", lambda glimpses, places, *_: judged.extend((glimpses, places)) or torch.zeros(places.shape[:3])
    )
    rollout = collect_rollout(agent, envs, seed=0, generator=torch.Generator().manual_seed(0))
    glimpses, places = (each[:, 0] for each in judged)
    torch.testing.assert_close(glimpses[:-1], rollout.glimpses[1 : len(glimpses)])
    torch.testing.assert_close(places[:-1], rollout.seen_from[1 : len(places)])
    assert len(glimpses) > 3


def test_a_resumed_run_goes_on_with_other_episodes_of_a_wrapped_world_than_it_began_with(tmp_path):
    gym.register("Pixels-v0", Pixels)
    gym.register(
        "Seen-v0",
        vector_entry_point=lambda num_envs, **retina: RetinaVectorWrapper(
            [Pixels() for _ in range(num_envs)], **retina
        ),
    )
    try:
        config = tiny(PRESETS["general-moves"], env="Seen-v0", env_args=("patch_size=4",), learning={"batch_size": 2})
        first = Trainer(config, tmp_path)
        before = first.envs.unwrapped.screens(np.arange(2))
        first.step()
        first.save()
        again = Trainer(config, tmp_path)
        again.restore(load_state(tmp_path / CHECKPOINT))
        assert (again.envs.unwrapped.screens(np.arange(2)) != before).any()
    finally:
        del gym.registry["Pixels-v0"], gym.registry["Seen-v0"]


def test_stop_is_a_choice_like_any_other_where_there_is_no_answer():
    agent = RecurrentAttentionAgent(PRESETS["general-moves"], (1, 4, 4), 1, {"stop": 2})
    agent.stops = False  # as in a training whose gaze still learns
    assert agent.act(torch.zeros(64, 1, 4, 4), torch.zeros(64, 2), agent.initial_state(64))[0].choices["stop"].any()
    assert not agent.ends
    beside = RecurrentAttentionAgent(PRESETS["general"], (1, 4, 4), 1, {"answer": 3, "stop": 2})
    assert (
        not beside.act(torch.zeros(64, 1, 4, 4), torch.zeros(64, 2), beside.initial_state(64))[0].choices["stop"].any()
    )


class Endless(Counted):
    """Never over before the limit."""

    def __init__(self, num_envs=1, **retina):
        super().__init__(num_envs, **retina)
        self.max_glimpses = None

    def advance(self, lanes, choices):
        return super().advance(lanes, choices)[0], np.zeros(len(lanes), np.bool_)


def test_a_world_that_goes_on_and_on_is_told_that_it_needs_an_end(monkeypatch):
    monkeypatch.setattr("agents.experiment.episodes.MANY_STEPS", 5)
    envs = Endless(2, patch_size=4, max_episode_steps=8, autoreset_mode="Disabled", obs_mode="dict", action_mode="dict")
    with pytest.warns(UserWarning, match="goes on after 5 steps.*max_episode_steps"):
        collect_rollout(make_agent(tiny(), envs), envs, seed=0)
    agent = make_agent(tiny().but(network={"core": "lstm"}), envs)
    ongoing = Ongoing(3)
    collect_rollout(agent, envs, seed=0, ongoing=ongoing)
    with pytest.warns(UserWarning, match="goes on after 5 steps"):
        collect_rollout(agent, envs, ongoing=ongoing)


def test_more_glimpses_than_an_update_can_keep_are_refused_where_it_learns_from_them(monkeypatch):
    monkeypatch.setattr("agents.experiment.episodes.MOST_GLIMPSES", 10)
    envs = Endless(2, patch_size=4, max_episode_steps=8, autoreset_mode="Disabled", obs_mode="dict", action_mode="dict")
    agent = make_agent(tiny(), envs)
    with pytest.raises(ValueError, match=r"After 6 steps an episode goes on.* 2 at a time.*max_episode_steps=500"):
        collect_rollout(agent, envs, seed=0)
    assert len(collect_rollout(agent.eval(), envs, seed=0).glimpses) == 8


def test_a_world_that_counts_too_few_glimpses_is_told_so(monkeypatch):
    envs = make_envs(counted(), 2)
    envs.unwrapped.max_glimpses = 3
    with pytest.warns(UserWarning, match=r"at most max_glimpses=3 glimpses, and one had 5. The first counts"):
        collect_rollout(make_agent(tiny(), envs), envs, seed=0)


def test_whether_a_scene_stands_still_is_seen_where_a_world_does_not_say_so(tmp_path, monkeypatch):
    config = GENERAL.but(env="Counted-v0", learning={"batch_size": 8}, run={"episodes": 8 * 100, "evaluations": 0})
    trainer = Trainer(config, tmp_path)
    assert trainer.envs.unwrapped.screen_changes
    trainer.step()
    assert not trainer.agent.scene_changes
    still = Counted.screens
    monkeypatch.setattr(
        Counted,
        "screens",
        lambda world, lanes: still(world, lanes) + world.steps[lanes, None, None, None].astype(np.uint8),
    )
    while trainer.update <= Trainer.LOOKS_INTO:
        trainer.step()
    assert trainer.agent.scene_changes
    trainer.save()
    again = Trainer(config, tmp_path)
    again.restore(load_state(tmp_path / CHECKPOINT))
    monkeypatch.setattr(Counted, "screens", still)
    while again.update <= 2 * Trainer.LOOKS_INTO:
        again.step()
    assert again.agent.scene_changes  # once is enough


class Wordy(Pixels):
    """A world with words of its own in its info."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"label": "cat", "target_location": np.zeros(3)}


def test_words_of_a_wrapped_environments_own_info_are_not_taken_for_labels_and_targets():
    envs = RetinaVectorWrapper([Wordy(), Wordy()], patch_size=4, action_mode="dict", autoreset_mode="Disabled")
    rollout = collect_rollout(make_agent(tiny(PRESETS["general-moves"]), envs), envs, seed=0)
    assert rollout.labels is None
    assert rollout.target_distances.isnan().all()


class Broken(Counted):
    """Pays what is no number for option 1."""

    def advance(self, lanes, choices):
        rewards, over = super().advance(lanes, choices)
        return np.where(choices[self.move] == 1, np.nan, rewards), over


class Untold(Counted):
    """Tells nobody the label."""

    def __init__(self, num_envs=1, **retina):
        super().__init__(num_envs, **retina)
        self.tells_label = False


@pytest.fixture
def untold():
    gym.register("Untold-v0", vector_entry_point=Untold)
    yield counted(env="Untold-v0")
    del gym.registry["Untold-v0"]


def test_an_agent_that_learnt_from_outcomes_samples_its_answers_when_it_is_loaded_too(untold, tmp_path):
    trainer = Trainer(untold, tmp_path)
    trainer.save()
    assert trainer.agent.teacher == "outcome"
    assert load_agent(tmp_path / CHECKPOINT, make_envs(untold, 1)).teacher == "outcome"


def test_answers_know_nothing_where_no_episode_has_an_outcome(untold, tmp_path):
    trainer = Trainer(untold.but(env_args=("patch_size=4", "max_episode_steps=2")), tmp_path)
    trainer.step()
    assert trainer.report()["answers_know"] == 0


class Bell(Pixels):
    """Rings, and says so, for the move 1; says nothing of failures."""

    def step(self, action):
        picture, reward, over, cut, _ = super().step(action)
        return picture, reward, over, cut, {"is_success": True} if action == 1 else {}


def test_a_run_remembers_that_its_world_tells_of_successes(tmp_path, monkeypatch):
    gym.register("Bell-v0", Bell)
    ram_envs.register_retina("RetinaBell-v0", "Bell-v0", patch_size=4, env_kwargs={"max_episode_steps": 2})
    config = tiny(PRESETS["general-moves"], env="RetinaBell-v0", env_args=())
    trainer = Trainer(config, tmp_path)
    assert not trainer.tells_success
    trainer.step()
    assert trainer.tells_success
    trainer.save()
    again = Trainer(config, tmp_path)
    again.restore(load_state(tmp_path / CHECKPOINT))
    with monkeypatch.context() as patch:
        patch.setattr(Bell, "step", Pixels.step)
        assert again.score("validation", episodes=5).error_percent == 100
    del gym.registry["Bell-v0"], gym.registry["RetinaBell-v0"]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_large_returns_are_brought_to_scale_by_batches_of_any_size(batch_size, tmp_path, monkeypatch):
    advance = Counted.advance
    monkeypatch.setattr(Counted, "advance", lambda *played: (1000 * (found := advance(*played))[0], found[1]))
    config = counted(learning={"batch_size": batch_size}, run={"episodes": 60 * batch_size})
    trainer = Trainer(config, tmp_path)
    for _ in range(2 * Trainer.LOOKS_INTO):
        trainer.step()
    assert 300 < trainer.agent.return_scale < 5000


def test_a_reward_that_is_no_number_is_named_in_an_episode_that_goes_on_too():
    envs = Broken(8, patch_size=4, autoreset_mode="Disabled", obs_mode="dict", action_mode="dict")
    with pytest.raises(ValueError, match=r"rewards must be finite, got nan\.$"):
        collect_rollout(make_agent(tiny(), envs), envs, seed=0, ongoing=Ongoing(3))


def test_a_reward_that_is_no_number_is_named():
    envs = Broken(8, patch_size=4, autoreset_mode="Disabled", obs_mode="dict", action_mode="dict")
    with pytest.raises(ValueError, match="rewards must be finite, got nan in step 1"):
        collect_rollout(make_agent(tiny(), envs), envs, seed=0)


class Passing(Counted):
    """What there is to see is at the right for two steps, and then there is nothing."""

    def facts(self, ended):
        right = np.tile([0.5, 0.0], (self.num_envs, 1))
        return super().facts(ended) | {"target_location": np.where(self.steps[:, None] < 2, right, np.nan)}


def test_where_there_is_nothing_to_see_no_distance_counts_and_an_oracle_looks_as_the_agent_does(tmp_path):
    gym.register("Passing-v0", vector_entry_point=Passing)
    trainer = Trainer(counted(env="Passing-v0"), tmp_path)
    trainer.step()
    assert trainer.report()["gaze_distance"] == 0  # of the last glimpse, where there is nothing
    score = trainer.score("validation", "oracle", episodes=8)
    assert len(score.gaze_distance) == 2
    assert score.gaze_distance[1] == pytest.approx(0, abs=1e-6)
    del gym.registry["Passing-v0"]
