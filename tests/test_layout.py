"""The order of the files: each imports only from those above it; the environments need neither agents nor torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = {
    "ram_envs": (
        "glimpse_sensor", "datasets", "digit_scenes", "catch_game", "rendering", "action_modes", "batched_env",
        "glimpse_mnist", "catch_ball", "__init__",
    ),
    "agents": (  # then the command files and whatever else stands beside them
        "networks", "losses", "config", "ram_agent", "presets", "rollout", "checkpoint", "evaluation", "training",
        "command_line",
    ),
}  # fmt: skip


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """The full name of every module, or name in a module, that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{path.parent.name}.{node.module or ''}".rstrip(".") if node.level else node.module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def siblings(path: Path) -> set[str]:
    """The files of its own package that a file imports; "__init__" where it imports the package for its own sake."""
    package, stems = path.parent.name, {file.stem for file in files(path.parent.name)}
    parts = [name.split(".") for name in imported(path) if name.split(".")[0] == package]
    return {part[1] if len(part) > 1 and part[1] in stems else "__init__" for part in parts}


def test_every_file_of_ram_envs_has_its_place_in_the_order() -> None:
    assert {path.stem for path in files("ram_envs")} == set(ORDER["ram_envs"])


def test_every_file_in_the_order_is_there() -> None:
    assert set(ORDER["agents"]) <= {path.stem for path in files("agents")}


@pytest.mark.parametrize("package", ORDER)
def test_files_import_only_from_files_above_them(package: str) -> None:
    order = ORDER[package]
    for path in files(package):
        above = order[: order.index(path.stem)] if path.stem in order else order
        wrong = siblings(path) - set(above) - {path.stem if path.stem == "__init__" else ""}
        assert not wrong, f"{package}/{path.name} imports {sorted(wrong)}"


def test_ram_envs_imports_neither_agents_nor_torch() -> None:
    for path in files("ram_envs"):
        wrong = {"agents", "torch"} & {name.split(".")[0] for name in imported(path)}
        assert not wrong, f"ram_envs/{path.name} imports {sorted(wrong)}"


def test_agents_import_the_environments_as_anybody_would() -> None:
    private = {"batched_env", "action_modes", "catch_game", "digit_scenes"}
    for path in files("agents"):
        wrong = {f"ram_envs.{name}" for name in private} & {".".join(n.split(".")[:2]) for n in imported(path)}
        assert not wrong, f"agents/{path.name} imports {sorted(wrong)}"


@pytest.mark.parametrize("use", ["", "import gymnasium; gymnasium.make('CatchBall-v0').reset()"])
def test_pygame_pooch_and_torch_are_imported_only_when_they_are_needed(use: str) -> None:
    code = f"import sys, ram_envs; {use}\nprint(sorted({{'pygame', 'pooch', 'torch'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_stays_under_sixty_lines() -> None:
    assert len((ROOT / "ram_envs" / "__init__.py").read_text(encoding="utf-8").splitlines()) < 60
