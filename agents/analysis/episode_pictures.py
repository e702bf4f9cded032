"""Pictures of episodes: moving ones, fixation paths, and agents at work. None is chosen: the first validation episodes from a seed on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from agents.analysis.tables import RESULTS
from agents.experiment.recording import write_video
from agents.ram.checkpoint import load_state
from agents.ram.presets import DEFAULTS
from agents.ram.watching import watch_episodes
from ram_envs.rendering import BACKGROUND, BRIGHT, DIM, PATH_COLOUR, Colour, Pixels, View, draw_view, foveated


def _rgb(colour: Colour) -> tuple[float, float, float]:
    """A colour as Matplotlib takes it."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


ORANGE, LIGHT, GREY, DARK = map(_rgb, (PATH_COLOUR, BRIGHT, DIM, BACKGROUND))
GLOW = plt.colormaps["inferno"](np.linspace(0.1, 1, 256))
GLOW[:, 3] = np.linspace(0, 1, 256) ** 0.5 * 0.75  # where nobody looked the scene is as it is
HEAT = ListedColormap(GLOW)
PAUSE = 1.5  # seconds that the end of an episode is shown
AT_WORK = {
    ("GlimpseMNIST-Cluttered100-v0", "cluttered100-8-conv"): "100x100 pixels,\n8 pieces of\nother digits",
    ("GlimpseMNIST-Cluttered60-v0", "cluttered60-8-conv"): "60x60 pixels,\n4 pieces of\nother digits",
    ("CatchBall-v0", "catch"): "Catch,\n24x24 pixels,\n23 steps",
}
"""Environment and preset -> what stands beside its row in the picture of agents at work."""


def shipped_agent(env_id: str, preset: str | None = None) -> Path:
    """The shipped agent of a preset; by default the environment's own, or else the first in results/ that was trained in it.

    Raises:
        FileNotFoundError: if there is none yet.
    """
    others = sorted(RESULTS.glob("*.pt")) if preset is None else []
    for path in (RESULTS / f"{preset or DEFAULTS[env_id]}.pt", *others):
        if path.exists() and load_state(path)["config"].env == env_id:
            return path
    raise FileNotFoundError(
        f"No trained agent for {env_id} in {RESULTS}: "
        f"python agents/reproduce_tables.py --rows {preset or DEFAULTS[env_id]}"
    )


def episode_gif(
    env_id: str, preset: str | None = None, episodes: int = 3, seed: int = 1, fps: float = 2, size: int = 320
) -> Callable[[Path], None]:
    """The trained agent of an environment at work, of its default preset or another."""

    def write(path: Path) -> None:
        frames: list[Pixels] = []
        for views in _played(shipped_agent(env_id, preset), episodes, seed):
            frames += [draw_view(view, size) for view in views]
            frames += frames[-1:] * (round(PAUSE * fps) - 1)
        write_video(path, frames, fps)

    return write


def photograph(path: Path) -> None:
    """The agent of docs/own_images.md after its looks at a picture of the folder found/, which the page has the commands for.

    Raises:
        FileNotFoundError: if there is no agent, or no such folder.
    """
    checkpoint = RESULTS / "worlds" / "images-learned-conv.pt"
    for needed in (checkpoint, Path("found")):
        if not needed.exists():
            raise FileNotFoundError(f"There is no {needed}: docs/own_images.md has the commands.")
    write_video(path, [draw_view(_played(checkpoint, 1, seed=3)[0][-1], 480)], fps=1)


def oracle_gif(env_id: str, episodes: int = 3, seed: int = 1, fps: int = 2) -> Callable[[Path], None]:
    """An environment that has no trained agent yet, as an eye sees it that is told where to look, at one digit after the other."""

    def write(path: Path) -> None:
        env = gym.make(env_id, split="validation", action_mode="dict", render_mode="rgb_array", render_size=320)
        frames: list[Pixels] = []
        for episode in range(episodes):
            over, (_, info) = False, env.reset(seed=seed + episode)
            while not over:
                targets = info["target_locations"] if "target_locations" in info else info["target_location"][None]
                frames.append(env.render())  # type: ignore[arg-type]
                step = info["num_glimpses"] - 1
                stop = "target_locations" in info and step == len(targets)  # all were seen; a video is seen to its end
                action = {"location": targets[step % len(targets)], "answer": info["label"], "stop": int(stop)}
                *_, over, _, info = env.step(action)
            frames += [env.render()] * round(PAUSE * fps)  # type: ignore[list-item]
        env.close()
        write_video(path, frames, fps)

    return write


def fixation_paths(env_id: str, scenes: int = 4) -> Callable[[Path], None]:
    """Figure 3 of Mnih et al. 2014: a scene with the fixation path, the first glimpse a filled circle and the last an
    empty one, then what each glimpse tells of the scene."""
    return lambda path: _draw_paths(_played(shipped_agent(env_id), scenes), path)


def stopping_paths(path: Path) -> None:
    """The same for an agent that may stop: of sixty digits those it was right about soonest, and those latest."""
    checkpoint = shipped_agent("GlimpseMNIST-Cluttered60-v0", "cluttered60-stop")
    right = sorted((views for views in _played(checkpoint, 60) if views[-1].outcome), key=len)
    _draw_paths([*right[:3], *right[-3:]], path)


def agents_at_work(path: Path, columns: int = 6) -> None:
    """A row per agent, an episode per column: where it looked, as heat and path, and how sure it was of the right answer as it went."""
    figure = plt.figure(figsize=(1.7 + 2 * columns, 2.75 * len(AT_WORK)), facecolor=DARK)
    left = 1.7 / (1.7 + 2 * columns)
    grid = figure.add_gridspec(
        len(AT_WORK), columns, left=left, right=0.99, top=0.95, bottom=0.02, hspace=0.16, wspace=0.05
    )
    for row, ((env_id, preset), title) in enumerate(AT_WORK.items()):
        for column, views in enumerate(_played(shipped_agent(env_id, preset), columns)):
            cell = grid[row, column].subgridspec(2, 1, height_ratios=[4.4, 1], hspace=0.03)
            scene, curve = figure.add_subplot(cell[0]), figure.add_subplot(cell[1])
            _draw_gaze(scene, views)
            _draw_certainty(curve, views)
            for panel in (scene, curve):
                panel.set(xticks=[], yticks=[])
                panel.spines[:].set_visible(False)
            if column == 0:
                sure = (
                    "probability of\nthe right digit"
                    if "label" in dict(views[0].caption)
                    else "its estimate\nof the reward"
                )
                for panel, text, size in ((scene, title, 14), (curve, f"{sure},\nfrom 0 to 1", 11)):
                    style: dict[str, Any] = {"ha": "right", "va": "center", "transform": panel.transAxes}
                    panel.text(-0.06, 0.5, text, color=LIGHT if panel is scene else GREY, fontsize=size, **style)
    figure.savefig(path, dpi=80, facecolor=DARK, metadata={"Software": None})
    plt.close(figure)


def _played(checkpoint: Path, episodes: int, seed: int = 0) -> list[list[View]]:
    """What an agent sees of each episode, step by step, and once more when it is over."""
    found: list[list[View]] = [[] for _ in range(episodes)]
    for episode, views in enumerate(found):
        watch_episodes(checkpoint, views.append, episodes=1, seed=seed + episode)
    return found


def _draw_gaze(panel: Any, views: list[View]) -> None:
    """The scene, of a moving one all its frames, the earlier the darker; upon it the heat of the gaze, and its path."""
    ages = np.linspace(0.3, 1, len(views))
    scene = np.max([age * view.scene[..., 0] for age, view in zip(ages, views, strict=True)], axis=0)
    height, width = scene.shape
    edges: dict[str, Any] = {"extent": (0, width, height, 0)}
    panel.imshow(scene, cmap="gray", vmin=0, vmax=255, **edges)
    panel.imshow(_heat(views[-1]), cmap=HEAT, vmin=0, interpolation="bilinear", **edges)
    _draw_path(panel, views[-1].fixations, (height, width), "white")
    good = bool(views[-1].outcome)
    colour = "#2ecf9f" if good else "#ff7a3c"  # the outcome's colours, lighter, to be read on dark
    panel.set_title(f"{'✓' if good else '✗'} {views[-1].verdict}", color=colour, fontsize=14, pad=4, fontweight="bold")


def _heat(view: View) -> NDArray[np.floating]:
    """How long each pixel (H, W) was near the middle of the gaze: a hill as wide as the finest patch for each glimpse."""
    height, width = view.scene.shape[:2]
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    radius = (view.squares[0, 2] - view.squares[0, 0]) / 2
    hills = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / radius**2) for a, b in view.fixations]
    heat: NDArray[np.floating] = np.sqrt(np.sum(hills, axis=0))  # the root, or one look beside seven could not be seen
    return heat


def _draw_certainty(panel: Any, views: list[View]) -> None:
    """A step per decision: the probability of the right answer, or the value where there is none."""
    right = dict(views[-1].caption).get("label")
    bars = [view.bars for view in views if view.outcome is None]
    if right is None:
        sure = [float(np.ravel(bar["value"])[0]) for bar in bars]
    else:
        sure = [float(np.ravel(bar["answer"])[views[0].names["answer"].index(right)]) for bar in bars]
    edges = np.arange(len(sure) + 1)
    panel.set_facecolor((0, 0, 0))
    panel.stairs(sure, edges, fill=True, color=ORANGE, alpha=0.45)
    panel.stairs(sure, edges, color=ORANGE, linewidth=1.5, baseline=None)
    panel.set(xlim=(0, len(sure)), ylim=(0, 1.02))
    name = "" if right is None else f"it is a {right}: "
    panel.text(0.04, 0.12, f"{name}{sure[-1]:.2f}", color=LIGHT, fontsize=13, transform=panel.transAxes)


def _draw_path(panel: Any, fixations: NDArray[np.floating], shape: tuple[int, int], colour: Any = ORANGE) -> None:
    """The fixations (n, 2) in an image of that shape: at the first a disc, at the last a ring."""
    (height, width), (x, y) = shape, fixations.T
    panel.plot(x, y, color=colour, linewidth=1.5)
    panel.plot(x[0], y[0], "o", color=colour, markersize=5)
    panel.plot(x[-1], y[-1], "o", color=colour, markersize=7, fillstyle="none", markeredgewidth=1.5)
    panel.set(xlim=(0, width), ylim=(height, 0))


def _draw_paths(rows: list[list[View]], path: Path) -> None:
    """A row per episode: the scene with the fixation path, then a panel per glimpse; the answer takes none."""
    rows = [[view for view in views if view.outcome is None] for views in rows]
    columns = 1 + max(len(views) for views in rows)
    figure, axes = plt.subplots(len(rows), columns, figsize=(1.5 * columns, 1.5 * len(rows)), squeeze=False)
    for line, views in zip(axes, rows, strict=True):
        height, width = shape = views[-1].scene.shape[:2]
        line[0].imshow(views[-1].scene[..., 0], cmap="gray", extent=(0, width, height, 0))
        for panel, view in zip(line[1:], views, strict=False):
            panel.imshow(foveated(view.glimpse, view.squares, shape)[..., 0], cmap="gray", vmin=0, vmax=255)
        for panel in line:
            panel.set(xticks=[], yticks=[])
        for panel in line[1 + len(views) :]:
            panel.axis("off")
        _draw_path(line[0], views[-1].fixations, shape)
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)
