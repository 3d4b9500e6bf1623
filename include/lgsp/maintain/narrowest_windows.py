"""Choose the windows in which a sweep reads changes again: few, and each as narrow as its changes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count

from lgsp.window import Window

# Each window that is read again costs a login, the source's lists and a check: better a few, slightly wider windows.
MAX_WINDOWS = 8
CLOSE = timedelta(minutes=5)
# No source reports times more exactly than a second, so a window must end at least a second after its last change.
INSTANT = timedelta(seconds=1)


def narrowest_windows(
    moments: Iterable[datetime], *, is_whole_days: bool = False, most: int = MAX_WINDOWS
) -> list[Window]:
    """At most `most` windows that contain these instants, each as narrow as its instants; close ones are joined."""
    exact = [Window(moment, moment + INSTANT) for moment in sorted(moments)]
    windows = [window.whole_days() for window in exact] if is_whole_days else exact
    for doublings in count():
        joined: list[Window] = []
        for window in windows:
            if joined and window.start - joined[-1].end <= CLOSE * 2**doublings:
                window = Window(joined.pop().start, window.end)
            joined.append(window)
        if len(joined) <= most:
            return joined
    raise AssertionError("a gap that doubles joins all windows in the end")
