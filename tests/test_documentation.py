"""The pages: their code runs, what they name is there, and they build without a broken link."""

import ast
import importlib
import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import gymnasium as gym
import pytest

import ram_envs
from ram_envs import ENV_IDS, OWN_IMAGES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)\s#]+)")


def blocks(language):
    """Every block of that language, named after its page and line."""
    found_blocks = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            if found[2] == language:
                line = text.count("\n", 0, found.start()) + 1
                found_blocks.append(pytest.param(textwrap.dedent(found[3]), id=f"{page.name}:{line}"))
    return found_blocks


def imported(code):
    """The packages that a block imports, by their first name."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder to run a block in: the shipped agents, and photographs of two classes."""
    for package in ("ale_py", "minigrid"):  # they register once, when they are first imported
        if importlib.util.find_spec(package) is not None:
            importlib.import_module(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gym.envs.registration, "registry", dict(gym.registry))
    monkeypatch.delitem(sys.modules, "examples.odd_one_out", raising=False)  # so that it is registered anew
    (tmp_path / "results").symlink_to(ROOT / "results")
    return tmp_path


def make_photos(folder):
    image = pytest.importorskip("PIL.Image")
    for name, colour in (("cats", (200, 90, 30)), ("dogs", (30, 90, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            image.new("RGB", (64, 48 + number), colour).save(folder / name / f"{number}.jpg")


@pytest.mark.parametrize("code", blocks("python"))
def test_block_runs(code, workplace, fake_mnist):
    for package in set(imported(code)) - {"ram_envs", "agents"}:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    if "agents" in imported(code):
        pytest.importorskip("torch")
    if '"photos"' in code:
        make_photos(workplace / "photos")
    with warnings.catch_warnings():
        if set(imported(code)) & {"ray", "skrl", "stable_baselines3", "torchrl"}:
            warnings.simplefilter("ignore")  # their own affairs
        exec(compile(code, "block", "exec"), {"__name__": "block"})


@pytest.mark.parametrize("code", blocks("bash"))
def test_commands_name_files_presets_and_environments_that_exist(code):
    for script in re.findall(r"python (\S+\.py)", code):
        assert (ROOT / script).exists()
    presets = pytest.importorskip("agents.scaling.families").PRESETS
    for name in re.findall(r"--(?:preset|rows) ([\w-]+)", code):
        assert name in presets
    for env_id in re.findall(r"--env (\S+)", code):
        module, _, name = env_id.rpartition(":")
        if module.startswith("examples.") and name not in gym.registry:
            sys.modules.pop(module, None)  # imported by another test, perhaps, whose registry is gone
            importlib.import_module(module)
        assert name in gym.registry or (module and module not in sys.modules)  # MODULE:ID is somebody else's


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    generated = {f"environments/{name}.md" for name in ("index", *ENV_IDS, OWN_IMAGES)}
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists() or (page.parent.name == "docs" and target in generated), target


def section(page, name):
    """What a page has between the marks of a table."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.search(f"<!-- {name}: begin -->\n(.*?)<!-- {name}: end -->", text, re.DOTALL)[1]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_have_no_words_that_only_their_author_reads(page):
    text = page.read_text(encoding="utf-8")
    riddles = ("what they say", "gaze off", "that are none", "looks are paid", "look is paid", "wicked", "of one's own")
    assert [words for words in riddles if words in text] == []


def test_readme_highlights_quote_the_tables():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    errors, speed = (re.search(rf"^- \*\*{start}.*$", text, re.MULTILINE)[0] for start in ("Fewer", "Fast"))
    table = section("README.md", "headline")
    for number in re.findall(r"\d+\.\d+", errors):
        assert re.search(rf"\b{re.escape(number)}\b", table), number
    rows = json.loads((ROOT / "results" / "step_speed.json").read_text())["rows"]
    speeds = [(row["steps_per_second"]["native"]["256"], row["steps_per_second"]["sync"]["256"]) for row in rows]
    steps = {f"{native // 10000 * 10:,},000" for native, _ in speeds}
    ratios = {str(round(native / single)) for native, single in speeds}
    said = set(re.findall(r"[\d,]+,000", speed))
    assert said
    assert said <= steps
    assert set(re.findall(r"(\d+) times", speed)) <= ratios


def test_tables_of_results_hold_every_result_file():
    shown = section("docs/results.md", "results") + section("docs/experiments/reward_alone.md", "comparison")
    presets = {path.stem.rpartition("-seed")[0] for path in (ROOT / "results").glob("*-seed*.json")}
    assert presets
    assert {preset for preset in presets if f"`{preset}`" not in shown} == set()


def test_tables_are_what_the_result_files_say():
    pytest.importorskip("torch")
    from agents.analysis.pages import filled, pages

    for page in pages():
        text = page.read_text(encoding="utf-8")
        assert filled(text) == text, f"{page.name}: python agents/reproduce_tables.py --rows"


def test_every_experiment_has_its_command():
    for page in (ROOT / "docs" / "experiments").glob("*.md"):
        assert re.search(r"python agents/\w+", page.read_text(encoding="utf-8")), page.name


@pytest.mark.parametrize("env_id", [*ENV_IDS, OWN_IMAGES])
def test_docstring_names_every_argument_and_every_key_of_info(env_id, fake_mnist, tmp_path):
    if env_id == OWN_IMAGES:
        make_photos(tmp_path)
    env = gym.make(env_id, **({"images": str(tmp_path)} if env_id == OWN_IMAGES else {}))
    text = type(env.unwrapped).__doc__
    sections = dict(zip(*[iter(re.split(r"^ *## (.*)\n", text, flags=re.MULTILINE)[1:])] * 2, strict=True))
    arguments = set(inspect.signature(env.unwrapped.vector_class).parameters) - {"num_envs", "autoreset_mode"}
    assert arguments <= set(re.findall(r"`(\w+)`", sections["Arguments"]))
    _, info = env.reset(seed=0)
    terminated = False
    while not terminated:
        _, _, terminated, _, last = env.step(env.action_space.sample())
    assert {*info, *last} <= set(re.findall(r"`(\w+)`", sections["Info"]))


def test_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    found = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    page = (tmp_path / "site" / "environments" / "GlimpseMNIST-Cluttered60-v0.html").read_text(encoding="utf-8")
    assert "Starting State" in page
    assert "GlimpseMNIST-Cluttered60.gif" in page
    own = (tmp_path / "site" / "own_world.html").read_text(encoding="utf-8")
    assert "class" in own
    assert "<!-- code" not in own
    assert "<table>" in (tmp_path / "site" / "results.html").read_text(encoding="utf-8")
    gallery = (tmp_path / "site" / "environments" / "index.html").read_text(encoding="utf-8")
    for env_id in (*ENV_IDS, OWN_IMAGES):
        picture = "logo.svg" if env_id == OWN_IMAGES else f"{env_id.removesuffix('-v0')}.gif"
        assert re.search(f'<a href="{env_id}.html"><img [^>]*src="../{picture}"', gallery), env_id
    assert "md-footer__link--next" in gallery
    reference = (tmp_path / "site" / "api.html").read_text(encoding="utf-8")
    for name in ("RetinaEnv.annotate", "RetinaVectorEnv.look", "RetinaVectorEnv.view"):
        assert f'id="ram_envs.batched_env.{name}"' in reference
    for name in ram_envs.__all__:
        assert name in reference
