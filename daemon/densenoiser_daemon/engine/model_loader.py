"""Loads models on a thread of its own: a new choice, the lighter model to step down to, and a broken file once it is mended."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from densenoiser_models.denoiser import Bypass, Denoiser, OnnxDenoiser
from densenoiser_models.engines import EngineDenoiser, load, open_denoiser
from densenoiser_models.errors import ModelError
from densenoiser_models.frame import FrameSpec
from densenoiser_models.model_file import ModelFile, find_model, load_model

from ..errors import SupersededError, UnusableModelError
from ..i18n import _
from .fallback_ladder import Rung

log = logging.getLogger(__name__)

LIGHTER_MODEL = "densenet-tiny"
"""The model to step down to when the chosen one fails, or the machine is too slow for it."""
_ENGINE_PATIENCE_SECONDS = 0.1
"""An engine that has not answered for so long hangs. With the change to another model that makes 200 ms of silence."""
_LOOK_SECONDS = 1.0
"""How often to look whether a model that cannot be used was mended. A look costs two calls of stat."""
_END_SECONDS = 2.0
"""How long ``join`` waits for a load that is under way: ONNX Runtime cannot be interrupted."""


class ModelChoice(NamedTuple):
    """What decides which denoiser is loaded."""

    model: str
    """A name of ``list_models`` or ``ENGINES``, or the path of an .onnx file."""
    provider: str


@dataclass(frozen=True, slots=True)
class _Request:
    choice: ModelChoice
    answer: Future[None]


class ModelLoader:
    """The one owner of the choice of a model. Its thread loads one model at a time; a newer choice replaces a waiting one.

    The first model is loaded in the constructor, by the caller's thread.
    """

    def __init__(
        self,
        choice: ModelChoice,
        use: Callable[[ModelChoice, Rung, Rung | None], None],
        use_lighter: Callable[[Rung], None],
        on_engine: Callable[[int], None] = lambda process: None,
    ) -> None:
        """If the model cannot be used, ``first`` passes the microphone through and its ``fault`` says why.

        ``use`` puts a loaded model in force, with the lighter one to step down to; ValueError if its frames do not fit.
        ``use_lighter`` names what to step down to from the first model. Both are called in the loader's thread.
        ``on_engine`` is told the number of each process in which an engine starts, in the thread that starts it.
        """
        self.choice = choice
        """The choice in force."""
        self._use = use
        self._use_lighter = use_lighter
        self._on_engine = on_engine
        self._seen = _stamp(choice.model)
        self.first = self._load_first(choice)
        self._is_broken = self.first.denoiser.fault is not None
        self._inbox: _Request | None = None
        self._loading: _Request | None = None
        self._has_ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="model loader", daemon=True)

    def start(self) -> None:
        """Begin to load. Once."""
        self._thread.start()

    def choose(self, choice: ModelChoice) -> Future[None]:
        """Load ``choice`` and put it in force. Returns at once; any thread.

        The answer comes when the model is in force, or as UnusableModelError (it cannot be used) or SupersededError
        (another one was chosen meanwhile, or the loader ended). Then everything is as it was.
        """
        request = _request(choice)
        with self._news:
            waiting, self._inbox = self._inbox, request
            if self._has_ended:
                waiting, self._inbox = request, None
            self._news.notify()
        if waiting is not None:
            _answer(waiting, _superseded(waiting))
        return request.answer

    def end(self) -> None:
        """Answer the caller that waits, and load nothing more. Any thread; may be called twice."""
        with self._news:
            waiting, self._inbox, self._loading = (self._inbox, self._loading), None, None
            self._has_ended = True
            self._news.notify()
        for request in waiting:
            if request is not None:
                _answer(request, _superseded(request))

    def join(self) -> None:
        """Wait for the thread after ``end``, unless a load takes too long; the process ends without it then."""
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        lighter = lighter_than(self.first.denoiser)
        if lighter is not None and self._inbox is None:
            self._use_lighter(lighter)
        while True:
            with self._news:
                self._news.wait_for(
                    lambda: self._inbox is not None or self._has_ended, _LOOK_SECONDS if self._is_broken else None
                )
                if self._has_ended:
                    return
                request, self._inbox = self._inbox, None
                if request is None and self._was_mended():
                    request = _request(self.choice)
                self._loading = request
            if request is not None:
                self._serve(request)

    def _serve(self, request: _Request) -> None:
        result: Exception | None
        try:
            denoiser = self._open(request.choice)
            lighter = lighter_than(denoiser)
            if self._inbox is None and not self._has_ended:
                self._use(request.choice, _rung(denoiser), lighter)
                self.choice, self._is_broken = request.choice, False
                result = None
            else:
                result = _superseded(request)
        except (ModelError, ValueError) as error:
            log.error("%s; keeping the model in use", error)
            result = UnusableModelError(str(error))
        except Exception as error:
            log.exception("the model loader failed")
            result = error
        with self._news:
            is_waiting, self._loading = self._loading is request, None
        if is_waiting:  # else ``end`` has answered
            _answer(request, result)

    def _load_first(self, choice: ModelChoice) -> Rung:
        try:
            return _rung(self._open(choice))
        except ModelError as error:
            return Rung(Bypass(FrameSpec(), fault=str(error)), "", "")

    def _open(self, choice: ModelChoice) -> Denoiser:
        return open_denoiser(
            load(choice.model), choice.provider, patience_seconds=_ENGINE_PATIENCE_SECONDS, on_start=self._on_engine
        )

    def _was_mended(self) -> bool:
        """Whether somebody has changed the files of the broken model since the last look."""
        stamp = _stamp(self.choice.model)
        if stamp is None or stamp == self._seen:
            return False
        self._seen = stamp
        return True


def _request(choice: ModelChoice) -> _Request:
    answer: Future[None] = Future()
    answer.set_running_or_notify_cancel()  # from now on the waiting caller cannot cancel it
    return _Request(choice, answer)


def _answer(request: _Request, error: Exception | None) -> None:
    if error is None:
        request.answer.set_result(None)
    else:
        request.answer.set_exception(error)


def _superseded(request: _Request) -> SupersededError:
    sentence = _("the model {model} was not taken: another one was chosen meanwhile, or the daemon ended")
    return SupersededError(sentence.format(model=request.choice.model))


def _stamp(model: str) -> tuple[int, ...] | None:
    """Numbers that change when the model's files do, or None while one of them is not there."""
    try:
        path = find_model(model)
        states = path.stat(), path.with_suffix(".json").stat()
    except (ModelError, OSError):
        return None
    return tuple(number for s in states for number in (s.st_mtime_ns, s.st_size, s.st_ino))


def _rung(denoiser: Denoiser) -> Rung:
    if isinstance(denoiser, OnnxDenoiser):
        return Rung(denoiser, denoiser.model.name, denoiser.provider)
    assert isinstance(denoiser, EngineDenoiser)
    return Rung(denoiser, denoiser.name, "cpu")


def lighter_than(denoiser: Denoiser) -> Rung | None:
    """LIGHTER_MODEL, loaded, if it is there and has the frames of ``denoiser``. Never raises.

    Below another model only if it costs less. Below every engine, which may fail in more ways than a model of ours.
    """
    if isinstance(denoiser, EngineDenoiser):
        cost = math.inf
    elif isinstance(denoiser, OnnxDenoiser):
        cost = _cost(denoiser.model)
    else:
        return None
    try:
        model = load_model(LIGHTER_MODEL)
        if model.spec.frames != denoiser.spec.frames or _cost(model) >= cost:
            return None
        lighter = OnnxDenoiser(model, "cpu")
    except ModelError as error:
        log.info("%s; there is no model to step down to", error)
        return None
    return Rung(lighter, model.name, lighter.provider)


def _cost(model: ModelFile) -> float:
    """The cost of a model beside another, in any unit: the multiplications on its card, else the size of its graph."""
    cost = model.card.get("million_macs_per_second")
    return cost if isinstance(cost, int | float) else len(model.graph) / 40_000
