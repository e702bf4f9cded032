"""The notebook runs from top to bottom, of images of its own, and shows pictures."""

import ast
import json
from pathlib import Path

import gymnasium as gym
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "tour.ipynb"


def run(source, names):
    """Runs a cell, and returns what it ends in, as a notebook shows it."""
    body = ast.parse(source).body
    shown = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return shown and eval(compile(ast.Expression(shown.value), "cell", "eval"), names)


def test_notebook_runs_and_shows_pictures(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    monkeypatch.setenv("TOUR_EPISODES", "256")
    monkeypatch.setenv("RAM_ENVS_DATA", str(tmp_path))  # nothing is there, and nothing is fetched
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.syspath_prepend(str(NOTEBOOK.parents[1]))
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    cells = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    names = {"__name__": "notebook"}
    shown = [run("".join(cell["source"]), names) for cell in cells]
    pictures = [picture._repr_png_() for picture in shown if hasattr(picture, "_repr_png_")]
    assert len(pictures) == 5
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert "% of the validation scenes named rightly" in capsys.readouterr().out


def test_what_the_notebook_was_left_with_has_no_errors_and_no_paths_of_a_machine():
    text = NOTEBOOK.read_text(encoding="utf-8")
    outputs = [output for cell in json.loads(text)["cells"] for output in cell.get("outputs", [])]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "stream"}
    assert "/home/" not in text
    assert "/tmp" not in text
