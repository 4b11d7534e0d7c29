"""The running daemon: the engine on its thread, and the models that it is handed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from densenoiser_models.denoiser import Bypass, Denoiser, OnnxDenoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile, find_model, load_model

from .audio.backend import AudioBackend, Microphone
from .engine.engine import Engine
from .engine.fallback_ladder import Rung
from .settings.settings import Settings
from .status import Status
from .system import realtime
from .system.memory_lock import lock_memory

log = logging.getLogger(__name__)

LIGHTER_MODEL = "densenet-tiny"
"""What a machine that is too slow for the chosen model gets, if it costs less."""
_MISSING_MODEL_SECONDS = 1.0
"""How often to look whether a model that cannot be used was mended: two calls of stat, if it was not."""


class Daemon:
    """Implements ``control.interface.Controls``. Every public method may be called from any thread."""

    def __init__(
        self,
        connect: Callable[[], AudioBackend],
        settings: Settings,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """Loads the model; if it cannot be used, microphones pass through unfiltered and the status says why."""
        self._on_change = on_change
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._fatal: BaseException | None = None
        self._in_use = _choice(settings)
        self._seen = _stamp(settings.model)
        denoiser, model, provider = open_denoiser(settings)
        self._is_missing = denoiser.fault is not None
        self._quit = threading.Event()
        self._watch = threading.Thread(target=self._await_model, name="missing model", daemon=True)
        self._frame = denoiser.spec
        self._engine = Engine(connect, denoiser, settings, on_change, model=model, provider=provider)
        self._lightening = threading.Thread(target=self._lighten, args=(denoiser,), name="lighter model", daemon=True)
        self._thread = threading.Thread(target=self._run, name="engine")
        self._on_end: Callable[[], None] = lambda: None
        self._first: AudioBackend | None = None

    def start(self, first: AudioBackend | None, on_end: Callable[[], None]) -> None:
        """Serve ``first``, which is connected already, or make one; ``on_end`` is called in the worker when it has ended."""
        self._first, self._on_end = first, on_end
        realtime.demote_on_overrun(self._thread)
        self._thread.start()
        self._lightening.start()
        if self._is_missing:
            self._watch.start()

    def join(self) -> BaseException | None:
        """Wait for the worker; what ended it, or None if it was asked to."""
        self._thread.join()
        self._quit.set()
        for thread in (self._watch, self._lightening, self._loading):
            if thread is not None and thread.ident is not None:
                thread.join()
        return self._fatal

    @property
    def settings(self) -> Settings:
        return self._engine.settings

    @property
    def status(self) -> Status:
        return self._engine.status

    @property
    def frame(self) -> FrameSpec:
        return self._frame

    @property
    def microphones(self) -> tuple[Microphone, ...]:
        return self._engine.microphones

    def apply(self, settings: Settings) -> None:
        with self._lock:
            before = self._engine.settings
            self._engine.apply(settings)
            if _choice(settings) != _choice(before):
                self._loading = threading.Thread(target=self._load, args=_choice(settings), name="model", daemon=True)
                self._loading.start()

    def quit(self) -> None:
        self._quit.set()
        self._engine.quit()

    def _await_model(self) -> None:
        """Load the chosen model as soon as somebody has mended it, until it or another one is in use."""
        while self._is_missing and not self._quit.wait(_MISSING_MODEL_SECONDS):
            choice = _choice(self._engine.settings)
            stamp = _stamp(choice[0])
            if stamp is not None and stamp != self._seen:
                self._seen = stamp
                self._load(*choice)

    def _load(self, model: str, provider: str) -> None:
        """Load off the audio thread; the engine cross-fades to the new model when it is ready."""
        fault = denoiser = lighter = None
        try:
            denoiser = OnnxDenoiser(load_model(model), provider)
            lighter = open_lighter(denoiser)
        except ModelError as error:
            fault = error
        with self._lock:
            if _choice(self._engine.settings) != (model, provider):
                return  # another one was chosen meanwhile
            try:
                if denoiser is not None:
                    self._engine.use(denoiser, denoiser.model.name, denoiser.provider, lighter)
                    self._in_use = model, provider
                    self._is_missing = False
                    return
            except ValueError as error:
                fault = ModelError(str(error))
            log.error("%s; keeping the model in use", fault)
            kept, kept_provider = self._in_use
            self._engine.apply(replace(self._engine.settings, model=kept, provider=kept_provider))
        self._on_change()

    def _lighten(self, denoiser: Denoiser) -> None:
        """Load the lighter model in advance, off the audio thread, unless the chosen one was changed meanwhile."""
        lighter = open_lighter(denoiser) if isinstance(denoiser, OnnxDenoiser) else None
        with self._lock:
            if lighter is not None and self._loading is None:
                self._engine.use_lighter(lighter)

    def _run(self) -> None:
        try:
            scheduling, memory = realtime.request(), lock_memory()
            log.info("scheduling of the audio thread: %s; memory: %s", scheduling, memory)
            self._engine.describe_thread(scheduling, memory)
            self._engine.run(self._first)
        except Exception as error:
            log.exception("the audio thread died")
            self._fatal = error
        finally:
            self._on_end()


def _choice(settings: Settings) -> tuple[str, str]:
    """What decides which denoiser to load: model and provider."""
    return settings.model, settings.provider


def _stamp(model: str) -> tuple[int, ...] | None:
    """What changes when the model's files do, or None while one of them is not there."""
    try:
        path = find_model(model)
        states = path.stat(), path.with_suffix(".json").stat()
    except (ModelError, OSError):
        return None
    return tuple(number for s in states for number in (s.st_mtime_ns, s.st_size, s.st_ino))


def open_denoiser(settings: Settings) -> tuple[Denoiser, str, str]:
    """The denoiser that the settings ask for, its model's name and its provider."""
    try:
        denoiser = OnnxDenoiser(load_model(settings.model), settings.provider)
    except ModelError as error:
        log.error("%s; the microphone passes through unfiltered", error)
        return Bypass(FrameSpec(), fault=str(error)), "", ""
    return denoiser, denoiser.model.name, denoiser.provider


def open_lighter(denoiser: OnnxDenoiser) -> Rung | None:
    """The model to step down to from this one: LIGHTER_MODEL, if it is there, fits, and costs less. Never raises."""
    try:
        model = load_model(LIGHTER_MODEL)
        if model.spec != denoiser.spec or _cost(model) >= _cost(denoiser.model):
            return None
        lighter = OnnxDenoiser(model, "cpu")
    except ModelError as error:
        log.info("%s; there is no model to step down to", error)
        return None
    return Rung(lighter, model.name, lighter.provider)


def _cost(model: ModelFile) -> float:
    """What a model costs to run beside another: its card's multiplications, else the size of its graph. Any unit."""
    cost = model.card.get("million_macs_per_second")
    return cost if isinstance(cost, int | float) else len(model.graph) / 40_000
