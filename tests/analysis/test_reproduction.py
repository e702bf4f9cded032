"""The rows of the tables, trained by the families they belong to."""

import pytest

torch = pytest.importorskip("torch")

from agents.analysis import reproduction  # noqa: E402
from agents.experiment import episodes  # noqa: E402
from agents.experiment.run_folder import RESULT  # noqa: E402
from agents.scaling.families import FAMILIES  # noqa: E402

SHORT = {"evaluations": 0, "score_test": False}
ROWS = {
    "catch": ("ram", {"env_args": ("screen_size=6",), "run": {"episodes": 256, **SHORT}}),
    "mnist-fc256": ("classifiers", {"optimizer": {"batch_size": 8}, "run": {"episodes": 16, **SHORT}}),
    "catch-2m-ppo": (
        "sb3",
        {
            "env_args": ("screen_size=6",),
            "algo_args": ("n_steps=4", "batch_size=8"),
            "run": {"frames": 16, "num_envs": 4, **SHORT},
        },
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_row_of_every_family_is_trained(row, fake_mnist, tmp_path, monkeypatch):
    family, shorter = ROWS[row]
    if family == "sb3":
        pytest.importorskip("sb3_contrib")
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 10})
    presets = FAMILIES[family].presets
    monkeypatch.setitem(presets, row, presets[row].but(**shorter))
    result = reproduction.train_row(reproduction.Run(row, 3, tmp_path / "run", ships=False, device="cpu"))
    assert result["config"]["seed"] == 3
    assert result["config"]["run"]["device"] == "cpu"
    assert result["validation"]["episodes"] == 10
    assert (tmp_path / "run" / RESULT).exists()


@pytest.mark.parametrize("row", ROWS)
def test_every_family_tells_of_its_scores_on_the_way(row, fake_mnist, tmp_path, monkeypatch):
    family, shorter = ROWS[row]
    if family == "sb3":
        pytest.importorskip("sb3_contrib")
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 10})
    told = []
    config = (
        FAMILIES[family].presets[row].but(**{**shorter, "run": {**shorter["run"], "evaluations": 1, "report_every": 1}})
    )
    FAMILIES[family].train(config, tmp_path / "run", saved=lambda percent, curve: told.append((percent, len(curve))))
    assert told[-1] == (100, 1)


def test_a_stock_agent_that_ships_is_kept_with_its_result(tmp_path, monkeypatch):
    pytest.importorskip("sb3_contrib")
    checkpoint = pytest.importorskip("agents.sb3.checkpoint")
    monkeypatch.setattr(episodes, "FRESH_EPISODES", {"validation": 10})
    monkeypatch.setattr(reproduction, "RESULTS", tmp_path)
    presets, row = FAMILIES["sb3"].presets, "catch-2m-dqn-center"
    words = ("learning_starts=8", "batch_size=8", "buffer_size=100", "policy_kwargs={'net_arch':[8]}")
    tiny = {"algo_args": words, "run": {"frames": 32, "num_envs": 4, **SHORT}}
    monkeypatch.setitem(presets, row, presets[row].but(**tiny))
    (run,) = reproduction.missing_runs(reproduction.TablesCommand(rows=(row,), runs=tmp_path / "runs"))
    reproduction.train_row(run)
    run.keep()
    assert checkpoint.load_model(tmp_path / f"{row}.zip")[1].name == row
    assert {path.name for path in tmp_path.glob("*.*")} == {f"{row}.zip", f"{row}-seed1.json"}


def test_the_agent_of_the_lowest_seed_ships_whichever_seeds_come_later(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "RESULTS", tmp_path)

    def ships(*seeds):
        return [run.ships for run in reproduction.missing_runs(reproduction.TablesCommand(("mnist-6",), seeds))]

    assert ships(1, 2) == [True, False]
    (tmp_path / "mnist-6-seed1.json").write_text("{}")
    assert ships(1, 2, 3) == [False, False]
    assert ships(4) == [False]
