"""What a run tells on its way: a bar on a terminal; in a file, and wherever else no bar can be drawn, a line a report."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from tqdm import tqdm

EVERY = 60.0  # seconds after which a line says how far it is, though nothing new was found


def bar(what: str, total: int, unit: str = "ep", **kwargs: Any) -> Any:
    """A bar on standard error that says what is done, and shows nothing where that is not a terminal."""
    hidden = {} if sys.stderr.isatty() else {"disable": True}
    return tqdm(desc=what, total=total, unit=unit, unit_scale=True, smoothing=0.05, **hidden, **kwargs)


class Progress:
    """A bar with what was found last beside it, or lines of the same: at every report, and every minute where reports are rarer.

    Args:
        what: is done.
        total: how much there is to do, in `unit`s.
        done: how much of it is done already.
        unit: of what is counted.
    """

    def __init__(self, what: str, total: int, done: int = 0, unit: str = "ep") -> None:
        self.what, self.total, self.done, self.first, self.unit = what, total, done, done, unit
        self.started = time.monotonic()
        self.bar = bar(what, total, unit, initial=done)
        self.lines = bool(self.bar.disable) or not sys.stdout.isatty()
        self.found, self.told = "", 0.0  # last, and when that was said

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.close()

    def advance(self, count: int) -> None:
        """So much more is done."""
        self.done += count
        self.bar.update(count)
        if self.passed - self.told >= EVERY:
            self._tell()

    def report(self, text: str) -> None:
        """What was found last."""
        self.found = text
        self.bar.set_postfix_str(text)
        self._tell()

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""
        self.bar.write(text)
        sys.stdout.flush()

    @property
    def passed(self) -> float:
        """Seconds since this began."""
        return time.monotonic() - self.started

    def _tell(self) -> None:
        self.told = self.passed
        if self.lines:
            news = ", ".join(each for each in (self.found, self._left()) if each) or f"{self.done:,} {self.unit} so far"
            self.say(f"{self.done / self.total:6.1%} {self.what}, {duration(self.passed)}: {news}")

    def _left(self) -> str:
        if self.done == self.first:  # such as where episodes are long
            return ""
        pace = self.passed / (self.done - self.first)
        return f"{duration(pace * max(0, self.total - self.done))} left"


def duration(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
