"""What a command says before it loads PyTorch, which takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "stable_baselines3", "sb3_contrib", "ray", "matplotlib", "tensorboard")
COMMANDS = {
    "train_ram.py": (["--env", "CatchBall-v0"], "Training preset catch in CatchBall-v0, folder runs/catch-seed1-"),
    "train_classifier.py": (["--preset", "mnist-conv"], "Training preset mnist-conv in GlimpseMNIST-v0, folder runs/"),
    "train_sb3.py": (["--algo", "ppo"], "Training the default settings in GlimpseMNIST-v0, folder"),
    "evaluate_sb3.py": (["--checkpoint", "nowhere"], "Scoring nowhere"),
    "evaluate_ram.py": (["--checkpoint", "nowhere.pt"], "Scoring nowhere.pt"),
    "watch_ram.py": (["--checkpoint", "nowhere.pt"], "Playing 3 episodes with nowhere.pt"),
    "reproduce_tables.py": (["--rows", "mnist-2", "--seeds", "99"], "1 run, 1 at a time: about "),
    "search.py": (["--help"], "agents/search.py [-h]"),
}
WITHOUT = f"""
import runpy, sys

class Refuses:
    def find_spec(name, path=None, target=None):
        if name in {HEAVY}:
            raise ImportError(f"refused: {{name}}")

sys.meta_path.insert(0, Refuses)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("script", COMMANDS)
def test_command_says_what_it_does_before_it_loads_anything_heavy(script, tmp_path):
    flags, said = COMMANDS[script]
    words = [sys.executable, "-c", WITHOUT, str(ROOT / "agents" / script), *flags]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert said in done.stdout.splitlines()[0]
    assert script == "search.py" or "refused: " in done.stderr, done.stderr
