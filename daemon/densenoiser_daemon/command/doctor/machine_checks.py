"""Checks the machine: models, ONNX Runtime, real-time scheduling, and what the tray icon needs."""

from __future__ import annotations

import importlib.util
import resource
from collections.abc import Iterator
from pathlib import Path

from densenoiser_models.bundle import is_bundle
from densenoiser_models.engines import load
from densenoiser_models.errors import ModelError
from densenoiser_models.model_file import list_models
from densenoiser_models.provider import available_providers

from ...i18n import _
from ...settings.settings import Settings
from ...system.realtime import NORMAL, scheduling
from .finding import Finding, Verdict
from .tray_checks import has_desktop

_RTKIT = "/usr/share/dbus-1/system-services/org.freedesktop.RealtimeKit1.service"


def models(chosen: Settings) -> Iterator[Finding]:
    """Every model is whole, and the chosen one is among them."""
    known = list_models()
    for name in dict.fromkeys([chosen.model, *known]):
        try:
            load(name)
        except ModelError as error:
            verdict = Verdict.FAULT if name == chosen.model else Verdict.ADVICE
            yield Finding(
                "model", verdict, str(error), _("install DenseNoiser again, or choose another: densenoiser model NAME")
            )
        else:
            yield Finding("model", Verdict.GOOD, _("the model {name} is whole").format(name=name))


def providers(chosen: Settings) -> Iterator[Finding]:
    """ONNX Runtime can run where the settings say."""
    available = available_providers()
    if chosen.provider not in ("auto", *available):
        yield Finding(
            "provider",
            Verdict.FAULT,
            _('the settings ask for "{provider}", this ONNX Runtime has {available}').format(
                provider=chosen.provider, available=", ".join(available)
            ),
            _("install onnxruntime-gpu in place of onnxruntime, or set provider to auto"),
        )
    else:
        text = _("ONNX Runtime can use {available}").format(available=", ".join(available))
        yield Finding("provider", Verdict.GOOD, text)


def realtime(process: int) -> Iterator[Finding]:
    """The scheduling of the running daemon's threads, else what this user may have."""
    if process and scheduling(process) != NORMAL:
        yield Finding("realtime", Verdict.GOOD, _("the audio thread has real-time scheduling"))
        return
    may = resource.getrlimit(resource.RLIMIT_RTPRIO)[0] != 0 or Path(_RTKIT).exists()
    if process:
        text = _("the audio thread has no real-time scheduling; it may stutter when the machine is busy")
    elif may:
        yield Finding("realtime", Verdict.GOOD, _("real-time scheduling is available"))
        return
    else:
        text = _("real-time scheduling is not available; the sound may stutter when the machine is busy")
    yield Finding("realtime", Verdict.ADVICE, text, _("install rtkit, and log in again"))


def tray() -> Iterator[Finding]:
    """What the tray icon needs."""
    if not has_desktop():
        yield Finding("tray", Verdict.GOOD, _("no desktop here, so no tray; the densenoiser command does all it can"))
        return
    if is_bundle():  # it brings no toolkit, and the system's cannot be added to it
        text = _("the tray has what it needs; only a panel with nothing but the old system tray shows no menu")
        yield Finding("tray", Verdict.GOOD, text)
        return
    missing = _missing_for_tray()
    if missing:
        yield Finding(
            "tray",
            Verdict.ADVICE,
            _(
                "a panel with nothing but the old system tray shows the icon without a menu: {missing} is missing"
            ).format(missing=missing),
            _("install python3-gi and gir1.2-gtk-3.0 (Debian's names), visible to DenseNoiser's environment"),
        )
    else:
        yield Finding("tray", Verdict.GOOD, _("the tray has what it needs"))


def _missing_for_tray() -> str:
    if importlib.util.find_spec("gi") is None:
        return "PyGObject (gi)"
    import gi  # noqa: PLC0415  (is not there on every system)

    try:
        gi.require_version("Gtk", "3.0")
    except ValueError:
        return "GTK 3"
    return ""
