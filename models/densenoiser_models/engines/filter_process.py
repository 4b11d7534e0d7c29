"""Runs an engine in a process of its own, so that a crash or a hang of its native code does not take the daemon along.

A frame goes there and back through two pipes. That takes 0.07 ms and 0.6 % of a core (docs/engines.md).
"""

from __future__ import annotations

import atexit
import gettext
import logging
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np

from ..errors import EngineError
from ..stft import Samples

log = logging.getLogger(__name__)
_ = gettext.gettext

FRAME = 480
"""Samples of a frame, float32. It is written and read at one time: a pipe takes up to 4096 bytes whole."""
READY = b"ready"
RESET = b"reset"
LONGEST_SENTENCE = 1000
"""Bytes. It is shorter than a frame, and so told from one."""
_START_SECONDS = 30.0
"""An engine loads within 1 s. A machine whose every core is busy takes longer."""
_processes: list[subprocess.Popen[bytes]] = []
"""All that were started. The next start collects those that have ended, because the audio thread cannot wait for their end."""


class FilterProcess:
    """A ``Filter`` in a process of its own, which is started again when it has ended or hangs. Owned by one thread at a time."""

    def __init__(self, engine: str) -> None:
        """``engine`` is a name in ``engines()``. EngineError if it cannot be used."""
        self._engine = engine
        self.patience_seconds = 10.0
        """It hangs if it does not answer for so long."""
        self._on_start: Callable[[int], None] = lambda process: None
        self._noisy, self._clean = np.zeros(FRAME, np.float32), np.zeros(FRAME, np.float32)
        self._request, self._answer = self._noisy.data.cast("B"), [self._clean.data.cast("B")]
        self._ended = ""
        self._child: _Child | None = _Child(engine)
        self._starting: threading.Thread | None = None

    def follow(self, on_start: Callable[[int], None]) -> None:
        """``on_start`` is told the number of the process now, and of each one after it in the thread that starts it."""
        self._on_start = on_start
        if self._child is not None:
            on_start(self._child.number)

    @property
    def process_number(self) -> int | None:
        """The process's number while it runs."""
        return self._child.number if self._child is not None else None

    def process(self, frame: Samples) -> Samples:
        """As a ``Filter``. EngineError while the engine's process has ended."""
        self._noisy[:] = frame
        self._exchange(self._request)
        return self._clean

    def reset(self) -> None:
        """As a ``Filter``. Starts the process again if it has ended, without waiting for it."""
        if self._child is None:
            self._start_again()
        else:
            self._exchange(RESET)

    def _exchange(self, request: memoryview | bytes) -> None:
        child = self._child
        if child is None:
            raise EngineError(self._ended)
        try:
            child.exchange(request, self._answer, self.patience_seconds)
        except EngineError as error:
            self._child, self._ended = None, str(error)
            child.close()
            self._start_again()
            raise

    def _start_again(self) -> None:
        if self._starting is None or not self._starting.is_alive():
            self._starting = threading.Thread(target=self._run_start, name="engine start", daemon=True)
            self._starting.start()

    def _run_start(self) -> None:
        try:
            child = _Child(self._engine)
        except EngineError as error:
            self._ended = str(error)
            log.error("%s cannot be started again: %s", self._engine, error)
            return
        self._on_start(child.number)
        self._child = child

    def __del__(self) -> None:
        child = getattr(self, "_child", None)
        if child is not None:
            child.close()


class _Child:
    """One process and the two pipes to it."""

    def __init__(self, engine: str) -> None:
        """Waits until the engine is loaded. EngineError if it cannot be."""
        for process in [process for process in _processes if process.poll() is not None]:
            _processes.remove(process)
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        # Libraries that compute in threads would take the other programs' cores for a frame of a millisecond.
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        language = [gettext.textdomain(), gettext.bindtextdomain(gettext.textdomain())]
        command = [
            sys.executable,
            "-P",
            "-m",
            f"{__package__}.worker",
            engine,
            f"{theirs_in}",
            f"{theirs_out}",
            *language,
        ]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=(theirs_in, theirs_out), env=environment
            )
        except OSError as error:
            os.close(self._to)
            os.close(self._from)
            raise EngineError(_("its process cannot be started: {error}").format(error=error)) from error
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        _processes.append(self._process)
        self._poll = select.poll()
        self._poll.register(self._from, select.POLLIN)
        sentence = os.read(self._from, LONGEST_SENTENCE) if self._poll.poll(_START_SECONDS * 1000) else b"it hangs"
        if sentence != READY:
            self.close()
            raise EngineError(sentence.decode(errors="replace") or _("its process ended while it started"))

    @property
    def number(self) -> int:
        return self._process.pid

    def exchange(self, request: memoryview | bytes, answer: list[memoryview], patience_seconds: float) -> None:
        """Send a frame or a command, and wait for its answer. EngineError if none of its size comes: then it is a sentence."""
        try:
            os.write(self._to, request)
            if not self._poll.poll(patience_seconds * 1000):
                raise EngineError(_("it has not answered for {ms:.0f} ms").format(ms=patience_seconds * 1000))
            size = os.readv(self._from, answer)
        except OSError as error:
            raise EngineError(_("its process has ended")) from error
        if size != len(request):
            raise EngineError(bytes(answer[0][:size]).decode(errors="replace") or _("its process has ended"))

    def close(self) -> None:
        """End the process. Does not wait for it."""
        os.close(self._to)
        os.close(self._from)
        self._process.kill()


@atexit.register
def _end_all() -> None:
    for process in _processes:
        process.kill()
        process.wait()
