"""The running daemon: the settings in force, the engine on its thread, and the model loader on another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from .audio.backend import AudioBackend, Microphone
from .engine.engine import Engine
from .engine.fallback_ladder import Rung
from .engine.model_loader import ModelChoice, ModelLoader
from .engine.spectrum_tap import SpectrumTap
from .hearing.listening import Listening
from .hearing.playback import Output
from .settings.settings import Settings
from .status import Status
from .system import realtime
from .system.memory_lock import lock_memory

log = logging.getLogger(__name__)


class Daemon:
    """Implements ``control.controls.Controls``. Every public method may be called from any thread."""

    def __init__(
        self, connect: Callable[[], AudioBackend], settings: Settings, open_output: Callable[[], Output]
    ) -> None:
        """``open_output`` is for ``listening``. Loads the model.

        If it cannot be used, ``model_fault`` says why, and the microphone passes through unfiltered.
        """
        self._settings = settings
        self._change = threading.Lock()
        choice = ModelChoice(settings.model, settings.provider)
        self._loader = ModelLoader(choice, self._use, self._use_lighter, realtime.lend)
        first = self._loader.first
        self._engine = Engine(connect, first.denoiser, settings, model=first.model, provider=first.provider)
        self._spectra = SpectrumTap(first.denoiser.spec, self._engine.tap)
        self._listening = Listening(first.denoiser.spec, self._engine.tap, open_output, self._engine.hold)
        self._thread = threading.Thread(target=self._run, name="engine")
        self._fatal: BaseException | None = None
        self._first_backend: AudioBackend | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._on_end: Callable[[], None] = lambda: None

    @property
    def model_fault(self) -> str | None:
        """Why the first model cannot be used, or None."""
        return self._loader.first.denoiser.fault

    def start(self, first: AudioBackend | None, *, on_change: Callable[[], None], on_end: Callable[[], None]) -> None:
        """Serve ``first``, which is connected already, or make one. Main thread only.

        ``on_change`` is called when the status, the settings or the microphones changed, ``on_end`` in the audio thread
        when it has ended. Neither may block.
        """
        self._first_backend, self._on_change, self._on_end = first, on_change, on_end
        if self.model_fault is not None:
            log.error("%s; the microphone passes through unfiltered", self.model_fault)
        realtime.demote_on_overrun(self._thread)
        self._engine.on_change(on_change)
        self._thread.start()
        self._loader.start()

    def join(self) -> BaseException | None:
        """Wait for the audio thread; the fault that ended it, or None if ``quit`` did."""
        self._thread.join()
        self._listening.join()
        self._loader.end()
        self._loader.join()
        return self._fatal

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def status(self) -> Status:
        return self._engine.status

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        return self._engine.microphones

    @property
    def loops(self) -> tuple[Microphone, ...]:
        return self._engine.loops

    def apply(self, settings: Settings) -> None:
        with self._change:
            in_force = self._settings
            self._settings = replace(settings, model=in_force.model, provider=in_force.provider)
            self._engine.apply(self._settings)

    @property
    def listening(self) -> Listening:
        return self._listening

    def watch_spectra(self, wanted: bool) -> None:
        self._spectra.watch(wanted)

    def spectra(self) -> tuple[bytes, bytes] | None:
        return self._spectra.take()

    def use_model(self, model: str) -> Future[None]:
        return self._loader.choose(ModelChoice(model, self._settings.provider))

    def quit(self) -> None:
        self._loader.end()
        self._engine.quit()

    def _use(self, choice: ModelChoice, chosen: Rung, lighter: Rung | None) -> None:
        with self._change:
            self._engine.use(chosen, lighter)
            self._settings = replace(self._settings, model=choice.model, provider=choice.provider)
            self._engine.apply(self._settings)
        self._on_change()

    def _use_lighter(self, lighter: Rung) -> None:
        self._engine.use_lighter(lighter)

    def _run(self) -> None:
        try:
            scheduling, memory = realtime.request(), lock_memory()
            log.debug("scheduling of the audio thread: %s; memory: %s", scheduling.code, memory.code)
            self._engine.describe_thread(scheduling, memory)
            self._engine.run(self._first_backend)
        except Exception as error:
            log.exception("the audio thread died")
            self._fatal = error
        finally:
            self._on_end()
