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
