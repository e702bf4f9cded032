"""The folder of a run: what a start that fails leaves, its name, and where its code was."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from agents.experiment import device, run_folder  # noqa: E402
from agents.experiment.command_line import new_folder, new_run  # noqa: E402
from agents.experiment.run_folder import current_commit, provenance, reserved  # noqa: E402
from agents.experiment.settings import RunConfig  # noqa: E402
from agents.ram.command_line import train_command  # noqa: E402
from agents.ram.config import Config  # noqa: E402


class Failed(Exception):
    """Any error."""


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def fail(context, work=lambda: None):
    try:
        with context:
            work()
            raise Failed
    except Failed:
        pass


def test_without_git_the_commit_is_unknown(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert current_commit() == "unknown"


def test_outside_a_clone_the_commit_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "run_folder.py"))
    assert current_commit() == "unknown"


def test_in_a_clone_the_commit_is_the_one_it_is_at(monkeypatch, tmp_path):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    try:
        for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
            subprocess.run([*git, *words], cwd=tmp_path, check=True)
    except FileNotFoundError:
        pytest.skip("needs git")
    monkeypatch.setattr(run_folder, "__file__", str(tmp_path / "run_folder.py"))
    assert len(current_commit()) >= 7
    assert set(current_commit()) <= set("0123456789abcdef")


def test_run_that_fails_at_once_leaves_neither_its_folder_nor_those_above(tmp_path):
    (tmp_path / "a").mkdir()
    fail(reserved(tmp_path / "a" / "b" / "c"))
    assert everything(tmp_path) == ["a"]


@pytest.mark.parametrize("there", [[], ["mine"], [".lock", "mine"]])
def test_folder_that_was_there_is_left_as_it_was(tmp_path, there):
    for name in there:
        (tmp_path / name).touch()
    fail(reserved(tmp_path))
    assert everything(tmp_path) == there


def test_run_that_wrote_something_before_it_failed_keeps_it(tmp_path):
    fail(reserved(tmp_path / "run"), (tmp_path / "run" / "metrics.jsonl").touch)
    assert everything(tmp_path) == ["run", "run/.lock", "run/metrics.jsonl"]


@pytest.mark.parametrize("before", [[], ["runs"], ["runs", "runs/other"]])
def test_start_that_fails_leaves_no_folder_of_its_own(tmp_path, monkeypatch, before):
    monkeypatch.chdir(tmp_path)
    for name in before:
        (tmp_path / name).mkdir()
    fail(new_run(None, Config(), Config()))
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "flags",
    [
        ["--env", "CartPole-v1"],
        ["--env", "CatchBall-v0", "--env-args", "nope=1"],
        ["--env", "CatchBall-v0", "--device", "gpu"],
        ["--env", "CatchBall-v0", "--run.scored-glimpses", "2"],
        ["--env", "CatchBall-v0", "--run.warm-start", "nowhere.pt"],
    ],
)
@pytest.mark.parametrize("run_dir", [[], ["--run-dir", "deep/run"]])
def test_command_that_cannot_start_leaves_nothing(tmp_path, monkeypatch, flags, run_dir):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^error: "):
        train_command([*flags, "--run.episodes", "16", *run_dir])
    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["", "a/b", 'a "b" <c>|?*', "größe"])
def test_folder_of_a_run_has_a_name_that_every_file_system_takes(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = new_folder(Config(env="my_module:Own/Catch-v0", name=name))
    assert folder.parent.name == "runs"
    assert not set(folder.name) & set('<>:"/\\|?* ')
    assert folder.name.isprintable()
    assert folder.name.encode(sys.getfilesystemencoding())


def test_a_result_says_bfloat16_where_products_were(monkeypatch):
    run = RunConfig(matmul_precision="bfloat16")
    for able, told in ((True, "bfloat16"), (False, torch.get_float32_matmul_precision())):
        monkeypatch.setattr(device, "multiplies_bfloat16", lambda name, able=able: able)
        assert provenance(1.0, ["abc"], ["cpu (A Small One)"], run)["matmul_precision"] == told
