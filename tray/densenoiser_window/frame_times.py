"""How long the window takes to draw, for those who measure it."""

from __future__ import annotations

import statistics
import time
from typing import Any

from densenoiser_tray.i18n import _


class FrameTimes:
    """Counts the frames of ``window`` from the moment on when it is on the screen."""

    def __init__(self, window: Any) -> None:
        self._seconds: list[float] = []
        self._began_at = 0.0
        window.connect("realize", self._follow)

    @property
    def summary(self) -> str:
        """Count, median and 99th percentile, for people."""
        if len(self._seconds) < 2:
            return _("no frames were drawn")
        worst = statistics.quantiles(self._seconds, n=100)[-1]
        slow = sum(seconds > 0.03 for seconds in self._seconds)
        return _(
            "{count} frames: {median:.1f} ms in the median, {p99:.1f} ms at the 99th percentile, {slow} over 30 ms"
        ).format(count=len(self._seconds), median=1e3 * statistics.median(self._seconds), p99=1e3 * worst, slow=slow)

    def _follow(self, window: Any) -> None:
        clock = window.get_surface().get_frame_clock()
        clock.connect("before-paint", lambda *_: self._begin())
        clock.connect("after-paint", lambda *_: self._end())

    def _begin(self) -> None:
        self._began_at = time.perf_counter()

    def _end(self) -> None:
        self._seconds.append(time.perf_counter() - self._began_at)
