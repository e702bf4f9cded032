"""The plan of the house: which file imports which, how long a function and how large a group of settings may be."""

import ast
import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "ram_envs": [
        "gymnasium_versions", "error_places", "arguments", "glimpse_sensor", "datasets", "image_folder", "digit_scenes", "sprites",
        "scattered_digits", "moving_digits", "catch_game", "rendering", "window", "action_modes", "glimpse_history",
        "retina_settings", "world_checks", "batched_env", "classification", "sprite_world", "wrapped_worlds", "wrapped_spaces", "retina_wrapper",
        "glimpse_mnist", "glimpse_digits", "glimpse_moving", "glimpse_images", "catch_ball", "play", "__init__", "command_line",
    ],
    "agents/experiment": [
        "__init__", "settings", "device", "team", "torch_sensor", "device_worlds", "progress", "episodes", "score", "run_folder", "checkpoint", "recording",
        "board", "reports", "updates", "command_line",
    ],
    "agents/ram": [
        "__init__", "config", "draws", "pixel_places", "salience", "layers", "cores", "networks", "pointing", "losses", "decisions", "agent", "presets", "ongoing", "rollout", "objective", "evaluation", "checkpoint",
        "findings", "update_graph", "watching", "training", "command_line",
    ],
    "agents/classifiers": ["__init__", "config", "networks", "presets", "scenes", "evaluation", "training", "command_line"],
    "agents/sb3": ["__init__", "config", "hyperparams", "presets", "vec_env", "hybrid_policy", "evaluation", "checkpoint", "training", "command_line"],
    "agents/scaling": [
        "__init__", "families", "forecast", "cluster", "trials", "space", "search_record", "search",
    ],
    "agents/analysis": [
        "__init__", "world_tables", "tables", "setting_words", "preset_table", "ablation_tables", "findings", "result_tables", "pages",
        "step_speed", "catch_ceiling", "catch_misses", "stopping_habits", "image_sizes", "image_times", "time_table", "core_speed", "gpu_table", "curves", "episode_pictures",
        "plots", "reproduction", "ray_costs",
    ],
    "agents": [
        "__init__", "train_ram", "evaluate_ram", "watch_ram", "train_sb3", "evaluate_sb3", "train_classifier", "reproduce_tables", "search",
    ],
}  # fmt: skip
"""Room -> its files: each imports only from files before it, or from the rooms that its own may use."""

MAY_USE = {
    "ram_envs": set(),
    "agents/experiment": {"ram_envs"},
    "agents/ram": {"ram_envs", "agents/experiment"},
    "agents/classifiers": {"ram_envs", "agents/experiment"},
    "agents/sb3": {"ram_envs", "agents/experiment"},
    "agents/scaling": {"ram_envs", "agents/experiment", "agents/ram", "agents/classifiers", "agents/sb3"},
    "agents/analysis": {
        "ram_envs",
        "agents/experiment",
        "agents/ram",
        "agents/classifiers",
        "agents/sb3",
        "agents/scaling",
    },
    "agents": {"agents/ram", "agents/classifiers", "agents/sb3", "agents/scaling", "agents/analysis"},
}
PLACES = [(room, place) for room, names in FLOORS.items() for place in range(len(names))]
LONGEST_FUNCTION = 60
LARGEST_GROUP = 12


def imports(path):
    """Dotted names of the modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module):
    """The room and the file that a dotted name lies in; None for what is not ours."""
    parts = module.split(".")
    for deep in (2, 1):
        room, rest = "/".join(parts[:deep]), parts[deep:]
        if room in FLOORS:
            return room, rest[0] if rest and rest[0] in FLOORS[room] else "__init__"
    return None


@pytest.mark.parametrize("room", FLOORS)
def test_every_file_has_its_place(room):
    assert {path.stem for path in (ROOT / room).glob("*.py")} == set(FLOORS[room])


def test_every_room_is_known():
    rooms = {
        path.parent.relative_to(ROOT).as_posix()
        for name in ("ram_envs", "agents")
        for path in (ROOT / name).rglob("*.py")
    }
    assert rooms == set(FLOORS)


@pytest.mark.parametrize(("room", "place"), PLACES, ids=[f"{room}/{FLOORS[room][place]}" for room, place in PLACES])
def test_file_imports_only_from_files_before_it_and_from_rooms_that_it_may_use(room, place):
    before = FLOORS[room][:place]
    for module in imports(ROOT / room / f"{FLOORS[room][place]}.py"):
        if (found := room_of(module)) is None or module == room.replace("/", "."):  # `from ram_envs import catch_game`
            continue
        other, name = found
        allowed = name in before if other == room else other in MAY_USE[room] or (other, name) == ("agents", "__init__")
        assert allowed, f"{module} is not for {room}/{FLOORS[room][place]}.py"


def test_environments_import_neither_agents_nor_torch():
    found = {name.partition(".")[0] for path in (ROOT / "ram_envs").glob("*.py") for name in imports(path)}
    assert not found & {"agents", "torch", "stable_baselines3"}


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, ram_envs; print(*{'pygame', 'pooch', 'torch', 'requests'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize("room", FLOORS)
def test_no_function_is_too_long_to_be_read_in_one_go(room):
    for path in (ROOT / room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                lines = node.end_lineno - node.lineno + 1
                assert lines <= LONGEST_FUNCTION, f"{path.name}: {node.name} has {lines} lines"


@pytest.mark.parametrize("family", ["ram", "classifiers", "sb3"])
def test_no_group_of_settings_has_more_fields_than_one_can_survey(family):
    settings = pytest.importorskip("agents.experiment.settings").Settings
    config = importlib.import_module(f"agents.{family}.config")
    groups = [kind for kind in vars(config).values() if isinstance(kind, type) and issubclass(kind, settings)]
    assert len(groups) > 3
    for group in groups:
        assert len(dataclasses.fields(group)) <= LARGEST_GROUP, group.__name__


def test_commands_are_thin():
    for name in FLOORS["agents"]:
        assert len((ROOT / "agents" / f"{name}.py").read_text().splitlines()) <= 25
