"""Draws what the retina sees: data in, array out. Nothing here needs a screen.

A picture shows the scene with the retina's squares, one colour per scale, and the path of the
fixations, after Figure 3 of Mnih et al. 2014; beside it the scene rebuilt from the glimpse alone
and the patch of every scale; below it a strip of facts and, where an agent hands them over, bars.

Scene coordinates are those of pixel edges: the pixel in column i and row j covers
[i, i + 1) x [j, j + 1), so that the middle of a 28 x 28 scene is (14, 14).
Axes: H, W scene height and width; C channels; k scales; g patch size.

pygame is imported when it is first needed, not with this module.
"""

import io
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

# From the palette of Okabe and Ito, which colour-blind people can tell apart.
SCALE_COLOURS: tuple[Colour, ...] = (  # finest scale first; a sixth begins again
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
)
PATH_COLOUR: Colour = (230, 159, 0)
OUTCOME_COLOURS: dict[bool, Colour] = {True: (0, 158, 115), False: (213, 94, 0)}
VERDICTS: dict[bool, str] = {True: "success", False: "failure"}  # where a world has no words of its own
BACKGROUND: Colour = (33, 36, 44)
STRIP: Colour = (47, 51, 62)
DIM: Colour = (158, 164, 178)
BRIGHT: Colour = (240, 242, 247)


@dataclass(frozen=True)
class View:
    """Everything one picture shows.

    Attributes:
        scene: uint8 (H, W, C). Three channels are RGB; of any other number the first is shown.
        squares: int (k, 4), x0, y0, x1, y1 of the present patches in scene pixels, finest first;
            x1 and y1 are exclusive. They may lie partly or wholly outside the scene.
        fixations: float (n, 2), x, y in scene pixels, oldest first; the last is the present one.
        glimpse: float in [0, 1] (k * C, g, g), what the agent sees, the finest scale's channels
            first.
        caption: name and value of each fact in the strip, such as ("step", "3/6").
        over: whether the episode is over.
        outcome: None while the episode goes on, and where nothing tells of it; then whether it ended well, which colours the
            strip.
        verdict: the word for the outcome, such as "right", which stands behind a tick or a cross.
        bars: name to values in [0, 1], such as {"class": probabilities, "value": [0.4]}.
        names: name of a group of bars to the names of its bars, where they have some. Numbers stand below upright
            bars; of words the most probable stand in front of lying bars.
        gamma: exponent of the brightness of what the agent sees; below 1 a lone lit pixel can still be made out in a
            coarse patch, and black and white stay what they are.
        hidden: whether the scene's place shows only what the glimpse tells of it, as a player is to see it.
        stage: H, W that the picture is laid out for, where scenes of several sizes share one layout; None for the scene's own.
    """

    scene: Pixels
    squares: NDArray[np.integer]
    fixations: NDArray[np.floating]
    glimpse: NDArray[np.floating]
    caption: Sequence[tuple[str, str]] = ()
    over: bool = False
    outcome: bool | None = None
    verdict: str = ""
    bars: Mapping[str, ArrayLike] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    gamma: float = 1.0
    hidden: bool = False
    stage: tuple[int, int] | None = None


class Picture(np.ndarray[Any, Any]):
    """An array of pixels, uint8 (height, width, 3), that a notebook shows as a picture; what is computed of it is a plain array."""

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return np.asarray(array) if array.ndim else array[()]

    def _repr_png_(self) -> bytes | None:
        if self.ndim != 3 or self.shape[2] != 3 or self.dtype != np.uint8 or self.size == 0:
            return None  # a part of a picture: shown as numbers
        file = io.BytesIO()
        load_pygame().image.save(as_surface(np.ascontiguousarray(self)), file, "picture.png")
        return file.getvalue()


def draw_view(view: View, size: int = 512) -> Picture:
    """Draws one picture.

    Its shape depends on `size` and the shapes of stage (or scene) and glimpse, never on caption, outcome or
    bars, so that an episode makes a video; its width is a multiple of 16, as encoders like it.

    Args:
        view: what to show; it is not changed.
        size: the picture's height, at least 256.

    Returns:
        uint8 (size, width, 3), an array of its own, which a notebook shows as a picture.

    Raises:
        ValueError: the size is below 256.
    """
    if size < 256:
        raise ValueError(f"a picture is at least 256 pixels high, got size={size}")
    k, page = len(view.squares), _page_of(view, size)
    frame = np.full((size, page.width, 3), BACKGROUND, np.uint8)
    glimpse = np.clip(view.glimpse, 0, 1) ** view.gamma
    seen = foveated(glimpse, view.squares, view.scene.shape[:2])
    _draw_scene(frame, page, view, seen)
    _draw_panel(frame, page, page.foveated, seen, "what the agent sees", DIM)
    g = glimpse.shape[-1]
    _write(frame, f"{g}x{g} pixels see", page.legend, DIM)
    for s, patch in enumerate(_patches(glimpse, k)):
        x0, y0, x1, y1 = view.squares[s]
        _draw_panel(frame, page, page.patches[s], patch, f"{x1 - x0}x{y1 - y0}", _scale_colour(s))
    _draw_strip(frame, page, view)
    _draw_bars(frame, page, view)
    return frame.view(Picture)


def scene_point(view: View, size: int, place: tuple[float, float]) -> tuple[float, float]:
    """Which point of the scene a place in the picture shows.

    Args:
        view: what the picture shows.
        size: the picture's height, as in `draw_view`.
        place: x, y in the picture's pixels.

    Returns:
        x, y in scene coordinates; beyond the scene's edges where the place is.
    """
    box, (height, width) = _page_of(view, size).scene, view.scene.shape[:2]
    return (place[0] - box.x) * width / box.width, (place[1] - box.y) * height / box.height


def foveated(glimpse: NDArray[np.floating], squares: NDArray[np.integer], shape: tuple[int, int]) -> Pixels:
    """Rebuilds the scene from the glimpse alone.

    The fovea is exact, what lies around it is coarser, and what was not seen is black.

    Args:
        glimpse: float in [0, 1] (k * C, g, g), the finest scale's channels first.
        squares: int (k, 4), x0, y0, x1, y1 of the patches in scene pixels, finest first.
        shape: H, W of the scene.

    Returns:
        uint8 (H, W, C).
    """
    height, width = shape
    patches = _patches(glimpse, len(squares))  # (k, g, g, C)
    g, channels = patches.shape[2:]
    scene = np.zeros((height, width, channels), np.uint8)
    for s in reversed(range(len(squares))):  # the finer lies on the coarser
        x0, y0, x1, y1 = squares[s].tolist()
        xs = np.arange(max(x0, 0), min(x1, width))
        ys = np.arange(max(y0, 0), min(y1, height))[:, None]
        scene[ys, xs] = patches[s, (ys - y0) * g // (y1 - y0), (xs - x0) * g // (x1 - x0)]
    return scene


def tile(frames: Sequence[Pixels]) -> Picture:
    """Lays frames of one shape out in a grid about as many wide as high, row by row.

    Args:
        frames: n arrays uint8 (h, w, 3).

    Returns:
        uint8 (rows * h, columns * w, 3); cells left over are plain background.

    Raises:
        ValueError: there is no frame.
    """
    if len(frames) == 0:
        raise ValueError("there is no frame to tile")
    columns = math.ceil(math.sqrt(len(frames)))
    rows = math.ceil(len(frames) / columns)
    height, width = frames[0].shape[:2]
    grid = np.full((rows, height, columns, width, 3), BACKGROUND, np.uint8)
    for i, frame in enumerate(frames):
        grid[i // columns, :, i % columns] = frame
    return grid.reshape(rows * height, columns * width, 3).view(Picture)


def draw_card(shape: tuple[int, int], lines: Sequence[str]) -> Pixels:
    """Lines of text, the first as a title.

    Args:
        shape: height and width of the picture.
        lines: what it says, from top to bottom.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = shape
    frame = np.full((height, width, 3), BACKGROUND, np.uint8)
    margin, line = height // 16, height // 20
    for i, text in enumerate(lines):
        top = margin + (0 if i == 0 else round((i + 0.7) * 1.15 * line))
        if text and top + line <= height:
            letters = round(1.4 * line) if i == 0 else line
            _write(frame, text, _Box(margin, top, width - 2 * margin, letters), PATH_COLOUR if i == 0 else BRIGHT)
    return frame


class _Box(NamedTuple):
    """A rectangle of the picture, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, frame: Pixels) -> Pixels:
        return frame[self.y : self.y + self.height, self.x : self.x + self.width]

    def grown(self, by: int) -> "_Box":
        return _Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def fitted(self, height: int, width: int) -> "_Box":
        """The largest box of this shape inside, in the middle.

        It is a whole multiple, for crisp pixels, unless that wastes more than a fifth.
        """
        zoom = min(self.height / height, self.width / width)
        zoom = math.floor(zoom) if math.floor(zoom) >= 0.8 * zoom else zoom
        w, h = max(1, round(width * zoom)), max(1, round(height * zoom))
        return _Box(self.x + (self.width - w) // 2, self.y + (self.height - h) // 2, w, h)


class _Page(NamedTuple):
    """Where everything goes."""

    width: int
    unit: float  # a 512th of the picture's height
    title: int  # height of the small letters
    scene: _Box
    foveated: _Box
    legend: _Box  # what the patches are
    patches: tuple[_Box, ...]  # (k,)
    caption: _Box
    bars: _Box


def _page_of(view: View, size: int) -> _Page:
    shape = view.scene.shape[:2]
    stage = view.stage or shape
    page = _page(size, *stage, len(view.squares), view.glimpse.shape[-1])
    if stage == shape:
        return page
    return page._replace(scene=page.scene.fitted(*shape), foveated=page.foveated.fitted(*shape))


@lru_cache(64)
def _page(size: int, height: int, width: int, k: int, g: int) -> _Page:
    unit = size / 512
    margin, strip, column = (round(units * unit) for units in (12, 68, 256))
    title = max(14, round(18 * unit))
    side = size - strip - 2 * margin
    room = _Box(margin, margin, round(side * min(max(width / height, 0.6), 1.6)), side)
    scene = room.fitted(height, width)
    left = room.x + room.width + 3 * margin // 2

    cells = min(k, 4)  # patches in a row
    cell = column // cells
    patch = min(round(132 * unit), cell - round(8 * unit))
    step = patch + title + margin  # from row to row
    below = math.ceil(k / cells) * step + title
    top = size - strip - margin - below + margin + 2 * title
    patches = (_Box(left + s % cells * cell, top + s // cells * step, cell, patch) for s in range(k))
    seen = _Box(left, margin + title, column, side - title - below).fitted(height, width)
    return _Page(
        width=math.ceil((left + column + margin) / 16) * 16,
        unit=unit,
        title=title,
        scene=scene,
        foveated=seen._replace(y=max(scene.y, margin + title)),
        legend=_Box(left, top - 2 * title - round(4 * unit), column, title),
        patches=tuple(box.fitted(g, g) for box in patches),
        caption=_Box(scene.x, size - strip, scene.width, strip),
        bars=_Box(left, size - strip, column, strip),
    )


def _draw_scene(frame: Pixels, page: _Page, view: View, seen: Pixels) -> None:
    """The scene, veiled where the retina does not reach, with the squares and the path upon it."""
    box = page.scene
    zoom = box.width / view.scene.shape[1], box.height / view.scene.shape[0]  # x, y
    shown = _rgb(seen if view.hidden else view.scene)
    if not view.hidden:
        scene, shown = shown, shown // 2 + np.array(BACKGROUND, np.uint8) // 2
        for x0, y0, x1, y1 in np.maximum(view.squares, 0):
            shown[y0:y1, x0:x1] = scene[y0:y1, x0:x1]
    box.of(frame)[:] = _enlarged(shown, box)

    surface, line = as_surface(frame), max(1, round(2 * page.unit))
    surface.set_clip(box.grown(round(6 * page.unit)))
    edges = np.rint(view.squares * (zoom * 2)).astype(int) + (box[:2] * 2)
    for s, (x0, y0, x1, y1) in reversed(list(enumerate(edges.tolist()))):
        load_pygame().draw.rect(surface, _scale_colour(s), (x0, y0, x1 - x0, y1 - y0), line)
    surface.set_clip(box.grown(round(12 * page.unit)))  # room for a ring on the border
    path = np.rint(view.fixations * zoom).astype(int) + box[:2]
    _draw_path(surface, path.tolist(), page.unit)


def _draw_path(surface: Any, path: list[list[int]], unit: float) -> None:
    """Lines from fixation to fixation: first a disc, then dots, at the present place a ring."""
    draw = load_pygame().draw
    dot, disc, ring, line = (max(2, round(pixels * unit)) for pixels in (3, 5, 11, 2.6))
    # A dark rim sets the path off from bright strokes.
    for rim, colour in ((1, (0, 0, 0)), (0, PATH_COLOUR)):
        for start, end in pairwise(path):
            draw.line(surface, colour, start, end, line + 2 * rim)
        for place in path[1:-1]:
            draw.circle(surface, colour, place, dot + rim)
        for place in path[:1]:
            draw.circle(surface, colour, place, disc + rim)
        for place in path[-1:]:
            draw.circle(surface, colour, place, ring + rim, line + 2 * rim)


def _draw_panel(frame: Pixels, page: _Page, box: _Box, image: Pixels, title: str, colour: Colour) -> None:
    """An image in a frame of one colour, its title above it."""
    line = max(1, round(2 * page.unit))
    box.grown(line).of(frame)[:] = colour
    box.of(frame)[:] = _enlarged(_rgb(image), box)
    above = _Box(box.x, box.y - line - page.title, box.width, page.title)
    _write(frame, title, above, colour, centre=True)


def _draw_strip(frame: Pixels, page: _Page, view: View) -> None:
    """The facts, each a name above its value; at the episode's end in the outcome's colour."""
    box, unit = page.caption, page.unit
    frame[box.y :] = STRIP
    if view.outcome is not None:
        colour = np.array(OUTCOME_COLOURS[bool(view.outcome)])
        frame[box.y :] = (2 * np.array(STRIP) + colour) // 3
        frame[box.y : box.y + round(4 * unit)] = colour
    cell = min(box.width / (len(view.caption) + 1.5), 96 * unit)
    below, high = box.y + round(32 * unit), round(34 * unit)
    for i, (name, value) in enumerate(view.caption):
        x, room = box.x + round(i * cell), round(cell - 6 * unit)
        _write(frame, name, _Box(x, box.y + round(10 * unit), room, page.title), DIM)
        _write(frame, value, _Box(x, below, room, high), BRIGHT)
    if view.outcome is not None:
        x, side = box.x + round(len(view.caption) * cell), round(24 * unit)
        _paint(frame, _sign(view.outcome, side), x, below - round(2 * unit), BRIGHT)
        gap = side + round(6 * unit)
        room = box.x + box.width - x - gap
        _write(frame, view.verdict or VERDICTS[view.outcome], _Box(x + gap, below, room, high), BRIGHT)


def _draw_bars(frame: Pixels, page: _Page, view: View) -> None:
    """A group of bars for each name, the largest in the colour of the path."""
    groups = {name: np.nan_to_num(np.ravel(values)) for name, values in view.bars.items()}
    slots = {name: _slots(values, view.names.get(name, ())) for name, values in groups.items()}
    pitch = min(page.bars.width / max(sum(slots.values()) + len(slots) - 1, 1), 24 * page.unit)
    x = float(page.bars.x)
    for name, values in groups.items():
        names = [*view.names.get(name, ())][: len(values)]
        names += map(str, range(len(names), len(values)))
        box = _Box(round(x), page.bars.y, round(slots[name] * pitch), page.bars.height)
        if all(map(str.isdigit, names)):
            _draw_upright_bars(frame, page, box, name, values, names, pitch)
        else:
            _draw_lying_bars(frame, page, box, name, values, names)
        x += box.width + pitch


def _slots(values: NDArray[np.floating], names: Sequence[str]) -> int:
    """How many bars' room a group takes: lying ones have words in front of them, upright ones a name above."""
    if all(map(str.isdigit, names)):
        return max(len(values), 3)
    return 4 if max(map(len, names)) <= 3 else 9


def _draw_upright_bars(
    frame: Pixels, page: _Page, box: _Box, title: str, values: NDArray[np.floating], names: Sequence[str], pitch: float
) -> None:
    """A bar per value, its number below it where there is room; the largest is named above them."""
    unit, best = page.unit, int(values.argmax()) if len(values) else 0
    numbered = len(values) > 1 and pitch >= 10 and 15 * unit >= 11
    named = f"{title}: {names[best]}" if len(values) > 1 else title
    title = named if _letters(named, page.title).shape[1] <= box.width else title
    _write(frame, title, _Box(box.x, box.y + round(6 * unit), box.width, page.title), DIM)
    tallest = round(28 * unit) if numbered else box.height - page.title - round(12 * unit)
    floor = box.y + round(8 * unit) + page.title + tallest
    for i, value in enumerate(values.tolist()):
        bar = _Box(round(box.x + i * pitch), floor - tallest, max(1, round(0.8 * pitch)), tallest)
        bar.of(frame)[:] = BACKGROUND
        height = round(min(max(value, 0), 1) * tallest)
        bar.of(frame)[tallest - height :] = PATH_COLOUR if i == best else DIM
        if numbered:
            _write(frame, names[i], _Box(bar.x, floor + 2, bar.width, round(15 * unit)), DIM, centre=True)


def _draw_lying_bars(
    frame: Pixels, page: _Page, box: _Box, title: str, values: NDArray[np.floating], names: Sequence[str]
) -> None:
    """As many rows, a word and a bar each, as there is room for: all in their order, or the largest first."""
    unit, row = page.unit, max(14, round(14 * page.unit))
    _write(frame, title, _Box(box.x, box.y + round(6 * unit), box.width, page.title), DIM)
    top = box.y + round(6 * unit) + page.title
    rows = max(1, (box.y + box.height - top) // row)
    ranked = np.argsort(-values, kind="stable")
    shown = range(len(values)) if len(values) <= rows else ranked[:rows].tolist()
    for place, i in enumerate(shown):
        colour = PATH_COLOUR if i == ranked[0] else DIM
        word = _Box(box.x, top + place * row, round(0.55 * box.width), row)
        _write(frame, names[i], word, colour)
        x = word.x + word.width + round(4 * unit)
        bar = _Box(x, word.y + 1, box.x + box.width - x, row - round(4 * unit) - 1)
        bar.of(frame)[:] = BACKGROUND
        bar.of(frame)[:, : round(min(max(float(values[i]), 0), 1) * bar.width)] = colour


def _sign(good: bool, side: int) -> NDArray[np.floating]:
    """A tick or a cross: how much of each pixel it covers, (side, side, 1) in [0, 1]."""
    lines = [((0.1, 0.55), (0.38, 0.85)), ((0.38, 0.85), (0.9, 0.2))]
    if not good:
        lines = [((0.15, 0.15), (0.85, 0.85)), ((0.85, 0.15), (0.15, 0.85))]
    places = (np.indices((side, side))[::-1].transpose(1, 2, 0) + 0.5) / side  # (side, side, 2), x and y
    nearest = np.full((side, side), np.inf)
    for start, end in np.array(lines):
        along = end - start
        part = ((places - start) @ along / (along @ along)).clip(0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(places - start - part[..., None] * along, axis=-1))
    mask: NDArray[np.floating] = (side * (0.09 - nearest) + 0.5).clip(0, 1)[..., None]
    return mask


def _write(frame: Pixels, text: str, box: _Box, colour: Colour, centre: bool = False) -> None:
    """Writes one line as high as the box, or lower where it would be too wide for it."""
    mask = _letters(text, box.height, max(box.width, 0))
    _paint(frame, mask, box.x + (box.width - mask.shape[1]) // 2 if centre else box.x, box.y, colour)


def _paint(frame: Pixels, mask: NDArray[np.floating], x: int, y: int, colour: Colour) -> None:
    """Colours the frame as far as the mask (h, w, 1) in [0, 1] covers it."""
    area = frame[y : y + mask.shape[0], x : x + mask.shape[1]]
    mask = mask[: area.shape[0], : area.shape[1]]
    area[:] = np.rint(area + (np.array(colour) - area) * mask)


@lru_cache(2048)
def _letters(text: str, height: int, room: int | None = None) -> NDArray[np.floating]:
    """How much of each pixel the text covers, (h, w, 1) in [0, 1]; lower, if need be, to fit into the room.

    It is drawn at twice the size and reduced, so that small letters keep their shapes. What is kept is an array, because
    pygame's fonts die with `pygame.quit`.
    """
    pygame = load_pygame()
    pygame.font.init()
    while (font := pygame.font.Font(None, 2 * height)).size(text)[0] > 2 * (room or np.inf) and height > 9:
        height -= 1
    if not font.size(text)[0]:  # letters without width alone
        return np.zeros((height, 0, 1))
    mask: Pixels = pygame.surfarray.array_alpha(font.render(text, True, BRIGHT)).T
    mask = np.pad(mask, [(0, side % 2) for side in mask.shape])
    halved: NDArray[np.float32] = mask.reshape(mask.shape[0] // 2, 2, -1, 2).mean((1, 3), dtype=np.float32) / 255
    return halved[:, :room, None]


@cache
def load_pygame() -> ModuleType:
    """pygame, imported when it is first needed, without its greeting and warnings."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    with warnings.catch_warnings():  # pygame 2.6 uses pkg_resources, which warns of its own end
        warnings.simplefilter("ignore")
        import pygame
        import pygame.pkgdata
    return pygame


def as_surface(frame: Pixels) -> Any:
    """A pygame surface upon the frame's own memory: what is drawn on it is drawn on the frame."""
    return load_pygame().image.frombuffer(frame, frame.shape[1::-1], "RGB")


def _patches(glimpse: NDArray[np.floating], k: int) -> Pixels:
    """Glimpse (k * C, g, g) in [0, 1] as k images, uint8 (k, g, g, C)."""
    images = glimpse.reshape(k, -1, *glimpse.shape[1:]).transpose(0, 2, 3, 1)
    return np.asarray(np.rint(np.clip(images, 0, 1) * 255), np.uint8)


def _rgb(image: Pixels) -> Pixels:
    """(H, W, C) to (H, W, 3)."""
    return image if image.shape[2] == 3 else np.repeat(image[:, :, :1], 3, axis=2)


def _enlarged(image: Pixels, box: _Box) -> Pixels:
    """Nearest neighbour: (h, w, 3) to (box.height, box.width, 3); of an image at least twice as large means, or lines would be lost."""
    rows = np.arange(box.height) * image.shape[0] // box.height
    columns = np.arange(box.width) * image.shape[1] // box.width
    if image.shape[0] < 2 * box.height or image.shape[1] < 2 * box.width:
        return np.asarray(image[rows[:, None], columns])
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0, dtype=np.uint32), columns, axis=1)
    counts = np.diff(rows, append=image.shape[0])[:, None] * np.diff(columns, append=image.shape[1])
    return np.asarray(sums // counts[..., None], np.uint8)


def _scale_colour(scale: int) -> Colour:
    return SCALE_COLOURS[scale % len(SCALE_COLOURS)]
