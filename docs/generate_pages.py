"""Writes, while MkDocs builds, the pages that are not in the repository: one per environment, from its class docstring.

A line `<!-- settings: file class -->` in any page becomes a table of the fields of that dataclass, which is read and not imported: torch is not needed; a line
`<!-- code: file name -->` becomes that function or class.
"""

import ast
import inspect
import re
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import gymnasium as gym
import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import ram_envs
from ram_envs import ENV_IDS, OWN_IMAGES

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"^<!-- code: (\S+) (\w+) -->$", re.MULTILINE)
SETTINGS = re.compile(r"^<!-- settings: (\S+) (\w+) -->$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of the environments."""
    pages = {"index": index_page()} | {env_id: environment_page(env_id) for env_id in (*ENV_IDS, OWN_IMAGES)}
    for name, content in pages.items():
        files.append(File.generated(config, f"environments/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Puts in what comes from the code."""
    markdown = CODE.sub(lambda found: code(ROOT / found[1], found[2]), markdown)
    return SETTINGS.sub(lambda found: settings_table(ROOT / found[1], found[2]), markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Marks names in code, which are not to be broken at their hyphens."""
    return re.sub(r"<code>([^<\s]{1,36})</code>", r'<code class="name">\1</code>', html)


def code(path: Path, name: str) -> str:
    """The function or class of that name, as a block."""
    text = path.read_text(encoding="utf-8")
    found = next(node for node in ast.parse(text).body if getattr(node, "name", None) == name)
    return f"```python\n{ast.get_source_segment(text, found)}\n```"


def settings_table(path: Path, name: str) -> str:
    """A table of the fields of a dataclass, each with the string that follows it."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    fields = next(node.body for node in nodes if isinstance(node, ast.ClassDef) and node.name == name)
    lines = ["| setting | default | |", "|---|---|---|"]
    for field, about in pairwise(fields):
        if isinstance(field, ast.AnnAssign) and field.value is not None and isinstance(about, ast.Expr):
            meaning = " ".join(ast.literal_eval(about.value).split())
            lines.append(f"| `{ast.unparse(field.target)}` | `{ast.unparse(field.value)}` | {meaning} |")
    return "\n".join(lines) + "\n"


def make(env_id: str, **kwargs: object) -> gym.Env:
    """The environment, of ten black images instead of a data set that would have to be there, or of a folder of photographs."""
    black = {"images": np.zeros((10, 28, 28), np.uint8), "labels": np.arange(10)} if "MNIST" in env_id else {}
    if env_id == OWN_IMAGES:
        black = {"images": photographs()}
    return gym.make(env_id, **black, **kwargs)


@cache
def photographs() -> str:
    """A folder of ten classes, three black images of 600x400 each."""
    folder = Path(tempfile.mkdtemp())
    for name in range(10):
        (folder / f"class {name}").mkdir()
        for number in range(3):
            (folder / f"class {name}" / f"{number}.ppm").write_bytes(b"P6 600 400 255\n" + bytes(3 * 600 * 400))
    return str(folder)


def index_page() -> str:
    """All environments: a card each, with its moving picture, then a table of their spaces and settings."""
    about = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", ram_envs.__doc__ or "", re.MULTILINE))
    lines = ["# Environments", "", '<div class="gallery" markdown>', ""]
    for env_id in (*ENV_IDS, OWN_IMAGES):
        lines += [card(env_id, about[env_id]), ""]
    lines += ["</div>", "", "| id | glimpse | action space | settings |", "|---|---|---|---|"]
    for env_id in (*ENV_IDS, OWN_IMAGES):
        env = make(env_id)
        settings = ", ".join(f"`{name}={value}`" for name, value in gym.spec(env_id).kwargs.items())
        glimpse = " x ".join(map(str, env.observation_space["glimpse"].shape))
        if env_id == OWN_IMAGES:
            settings = "`images=FOLDER`, here one of ten classes, 600 x 400"
        lines.append(f"| [{env_id}]({env_id}.md) | {glimpse} | `{env.action_space}` | {settings} |")
    lines += [
        "",
        "`gymnasium.make(id)` gives a single environment, `gymnasium.make_vec(id, num_envs=N)` a native vector environment,",
        "which takes `autoreset_mode` as well. Every setting is a keyword of both.",
    ]
    return "\n".join(lines) + "\n"


def picture(env_id: str) -> str:
    """The environment's moving picture, from its page: of images of your own there is none, and the logo stands for it."""
    name = f"{env_id.removesuffix('-v0')}.gif"
    return f"../{name}" if (ROOT / "docs" / name).exists() else "../logo.svg"


def card(env_id: str, about: str) -> str:
    """An entry of the gallery."""
    image = f"![Episodes in {env_id}]({picture(env_id)}){{ loading=lazy }}"
    return f"-   [{image}]({env_id}.md)\n\n    [{env_id}]({env_id}.md)\n\n    {about[0].upper()}{about[1:]}"


def environment_page(env_id: str) -> str:
    """An environment's page: picture, spaces, the class docstring, the value of every argument."""
    env_class = type(make(env_id).unwrapped)
    lines = [f"# {env_id}", ""]
    if env_id != OWN_IMAGES:
        lines += [f"![Episodes in {env_id}]({picture(env_id)})", ""]
    given = ', images="photos/"' if env_id == OWN_IMAGES else ""
    lines += [
        "```python",
        "import gymnasium as gym",
        "import ram_envs",
        "",
        f'env = gym.make("{env_id}"{given})',
        "```",
        "",
    ]
    if given:
        lines += ["Of a folder with ten classes, whose images are 600 x 400:", ""]
    lines += ["| made with | space |", "|---|---|"]
    flat = make(env_id, obs_mode="flat").observation_space
    lines.append(f'| `obs_mode="dict"` | `{make(env_id).observation_space}` |')
    lines.append(
        f'| `obs_mode="flat"` | `Box(low, 1.0, {flat.shape}, {flat.dtype})`; low is 0, and -1 for the location |'
    )
    history = make(env_id, obs_mode="history").observation_space
    lines.append(
        f'| `obs_mode="history"` | `Box(low, 1.0, {history.shape}, {history.dtype})`: the last glimpses together |'
    )
    for value in ("multidiscrete", "dict", "box", "discrete"):
        lines.append(f'| `action_mode="{value}"` | `{make(env_id, action_mode=value).action_space}` |')
    docstring = inspect.cleandoc(env_class.__doc__ or "")
    before, version = docstring.split("## Version History")
    return "\n".join([*lines, "", before + defaults(env_id, env_class), "## Version History" + version, ""])


def defaults(env_id: str, env_class: type) -> str:
    """What each argument is unless it is given: a table."""
    set_here = gym.spec(env_id).kwargs
    lines = [f"What they are in `{env_id}`:", "", "| argument | value |", "|---|---|"]
    for name, parameter in inspect.signature(env_class).parameters.items():
        lines.append(f"| `{name}` | `{set_here.get(name, parameter.default)!r}` |")
    return "\n".join(lines) + "\n\n"
