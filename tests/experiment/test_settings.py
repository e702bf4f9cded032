"""Settings in groups: kept, changed, compared."""

import dataclasses
import json

import pytest

torch = pytest.importorskip("torch")

from agents.classifiers.presets import PRESETS as CLASSIFIERS  # noqa: E402
from agents.experiment.settings import keywords  # noqa: E402
from agents.ram.config import RETIRED, Config, StoppingConfig  # noqa: E402
from agents.ram.presets import GENERAL, PRESETS  # noqa: E402


@pytest.mark.parametrize("config", [*PRESETS.values(), *CLASSIFIERS.values(), GENERAL], ids=lambda config: config.name)
def test_settings_come_back_from_json_as_they_were(config):
    assert type(config).from_dict(json.loads(config.to_json())) == config


def test_a_copy_with_changes_leaves_the_rest_and_the_original():
    config = Config()
    changed = config.but(seed=2, gaze={"std": 0.5})
    assert (changed.seed, changed.gaze.std) == (2, 0.5)
    assert changed.gaze == dataclasses.replace(config.gaze, std=0.5)
    assert (changed.network, changed.run) == (config.network, config.run)
    assert config == Config()


def test_a_group_that_was_absent_begins_at_its_defaults():
    stopping = Config().but(stopping={"sees_answer": True})
    assert stopping.stopping == StoppingConfig(sees_answer=True)
    assert stopping.but(stopping=None) == Config()


def test_one_candidate_compares_nothing():
    alone = GENERAL.with_values({"counterfactual.candidates": 1})
    assert alone == GENERAL.but(counterfactual=None)
    assert alone.but(gaze={"std_final": 0.05}).gaze.std_final == 0.05


def test_departures_are_named_as_flags_are():
    config = Config().but(env="CatchBall-v0", optimizer={"learning_rate": 0.1}, stopping={"sees_answer": True})
    assert config.departures(Config()) == {
        "env": "CatchBall-v0",
        "optimizer.learning_rate": 0.1,
        "stopping.sees_answer": True,
        "stopping.price_range": (),
    }
    assert Config().departures(Config()) == {}


def test_words_become_keywords():
    found = keywords(("num_glimpses=4", "initial_location=center", "canvas_size=(60,40)"), "env_args")
    assert found == {"num_glimpses": 4, "initial_location": "center", "canvas_size": (60, 40)}


def test_what_an_earlier_version_wrote_loads_where_the_settings_that_are_gone_say_what_is_done_now():
    config = Config().but(counterfactual={}, stopping={})
    written = config.to_dict()
    for name, alike in RETIRED.items():
        group, _, setting = name.partition(".")
        assert setting not in written[group]
        written[group][setting] = alike[-1] if alike != (...,) else [0.01]
    before = json.dumps(written)
    assert Config.from_dict(written) == config
    assert json.dumps(written) == before
    written["learning"]["rollouts"] = 4
    with pytest.raises(ValueError, match=r"learning\.rollouts 4 is of an earlier version"):
        Config.from_dict(written)


def test_a_word_that_a_setting_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="look_reward must be one of answer, gain, got 'glance'"):
        Config.from_dict({"learning": {"look_reward": "glance"}})


def test_an_unknown_setting_of_a_group_is_named():
    with pytest.raises(ValueError, match=r"Unknown settings \['stdd'\]"):
        Config.from_dict({"gaze": {"stdd": 1}})
