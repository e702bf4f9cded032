"""The order of dependencies: a file imports only from files above it; ram_envs stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = {
    "ram_envs": [
        "arguments", "glimpse_sensor", "datasets", "digit_scenes", "catch_game", "rendering", "window", "action_modes",
        "retina_settings", "batched_env", "glimpse_mnist", "catch_ball", "play", "__init__", "command_line",
    ],
    "agents": [
        "__init__", "networks", "losses", "config", "ram_agent", "presets", "rollout", "evaluation", "image_classifiers",
        "run_folder", "checkpoint", "training", "classifier_training", "command_line", "recording", "results", "train_ram",
        "sb3_vec_env", "sb3_hybrid_policy", "sb3_config", "sb3_evaluation", "sb3_training", "train_sb3",
        "train_classifier", "evaluate_ram", "watch_ram", "catch_misses", "catch_ceiling", "stopping_habits",
        "plots", "image_sizes", "reproduce_tables",
    ],
}  # fmt: skip


def imports(path):
    """Dotted names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ORDER)
def test_every_file_has_its_place_in_the_order(package):
    assert {path.stem for path in (ROOT / package).glob("*.py")} == set(ORDER[package])


@pytest.mark.parametrize(("package", "place"), [(p, i) for p, names in ORDER.items() for i in range(len(names))])
def test_file_imports_only_from_files_above_it(package, place):
    below = {f"{package}.{name}" for name in ORDER[package][place:]}
    assert not below & set(imports(ROOT / package / f"{ORDER[package][place]}.py"))


def test_environments_import_neither_agents_nor_torch():
    found = {name.partition(".")[0] for path in (ROOT / "ram_envs").glob("*.py") for name in imports(path)}
    assert not found & {"agents", "torch", "stable_baselines3"}


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, ram_envs; print(*{'pygame', 'pooch', 'torch', 'requests'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
