"""The menu as data: a pure function from the daemon's status to items. ``tray.py`` draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from .i18n import _
from .shown_text import one_line
from .status import AUTO, BYPASSED, WAITING_FOR_MICROPHONE, WAITING_FOR_SERVER, Condition, DaemonSnapshot

STRENGTHS_DB = (6.0, 12.0, 20.0, 30.0)


class Do(Enum):
    """What a click asks for."""

    START = auto()
    STOP = auto()
    TOGGLE = auto()
    MUTE = auto()
    BE_DEFAULT = auto()
    USE_HEADSET = auto()
    SET_STRENGTH = auto()
    SET_MICROPHONE = auto()
    SET_MODEL = auto()
    OPEN_WINDOW = auto()
    OPEN_MONITOR = auto()
    START_AT_LOGIN = auto()
    QUIT = auto()


@dataclass(frozen=True, slots=True)
class Action:
    """A click, with what was chosen: a strength in dB, a name, or the new position of a switch."""

    do: Do
    argument: bool | float | str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One entry. Without an action or a submenu it is text only."""

    label: str
    action: Action | None = None
    checked: bool | None = None
    """None: not a switch."""
    is_radio: bool = False
    is_default: bool = False
    """What a left click on the icon does, where the panel lets us see one."""
    submenu: tuple[Item, ...] = ()

    def __post_init__(self) -> None:
        """Make the label safe to show: it may have a foreign name in it."""
        object.__setattr__(self, "label", one_line(self.label))


SEPARATOR = Item("")
Menu = tuple[Item, ...]


def build(daemon: DaemonSnapshot, starts_at_login: bool, has_monitor: bool) -> Menu:
    """The whole menu. ``has_monitor``: there is a terminal to open the monitor in."""
    monitor = (Item(_("Open monitor"), Action(Do.OPEN_MONITOR)),) if has_monitor and daemon.is_running else ()
    window = Item(_("Open window"), Action(Do.OPEN_WINDOW))
    login = Item(_("Start at login"), Action(Do.START_AT_LOGIN, not starts_at_login), checked=starts_at_login)
    if not daemon.is_running:
        leave = Item(_("Hide this icon"), Action(Do.QUIT))
        start = Item(_("Start DenseNoiser"), Action(Do.START), is_default=True)
        return Item(headline(daemon)), SEPARATOR, start, window, SEPARATOR, login, leave
    # Neither says "quit": people would not know whether the filter goes on.
    stop = Item(_("Shut down DenseNoiser: noise is heard again"), Action(Do.STOP))
    leave = Item(_("Hide this icon: DenseNoiser keeps running"), Action(Do.QUIT))
    return (
        Item(headline(daemon)),
        *(Item(warning.words) for warning in daemon.warnings),
        SEPARATOR,
        Item(_("Remove noise"), Action(Do.TOGGLE), checked=daemon.enabled, is_default=True),
        Item(_("Mute"), Action(Do.MUTE, not daemon.muted), checked=daemon.muted),
        Item(_("Strength"), submenu=_strengths(daemon)),
        Item(_("Microphone"), submenu=_microphones(daemon)),
        Item(_("Model"), submenu=_models(daemon)),
        Item(
            _("Use as the default microphone"),
            Action(Do.BE_DEFAULT, not daemon.is_wished_default),
            checked=daemon.is_wished_default,
        ),
        *_headset(daemon),
        SEPARATOR,
        window,
        *monitor,
        login,
        stop,
        leave,
    )


def _headset(daemon: DaemonSnapshot) -> Menu:
    """The switch for a headset's microphone, where there is such a headset or it is on."""
    if not daemon.uses_headset and "headset" not in {warning.code for warning in daemon.warnings}:
        return ()
    label = _("Headset microphone during calls (music sounds worse)")
    return (Item(label, Action(Do.USE_HEADSET, not daemon.uses_headset), checked=daemon.uses_headset),)


def headline(daemon: DaemonSnapshot) -> str:
    """What happens right now, in one line; also the icon's tooltip."""
    return one_line(_headline(daemon))


def _headline(daemon: DaemonSnapshot) -> str:
    who = ", ".join(daemon.listeners)
    match daemon.condition:
        case Condition.ABSENT:
            return _("DenseNoiser is not running")
        case Condition.TROUBLE:
            return _trouble(daemon)
        case Condition.MUTED:
            return _muted(daemon, who)
        case Condition.OFF:
            return _("Off; {apps} hear the microphone as it is").format(apps=who) if who else _("Off")
        case Condition.ACTIVE:
            return _("Removing noise for {apps}").format(apps=who) if who else _("Removing noise")
        case Condition.IDLE:
            return _("Ready; nobody is listening")


def _muted(daemon: DaemonSnapshot, who: str) -> str:
    if not daemon.muted:
        return daemon.warnings[0].words
    return _("Muted; {apps} hear silence").format(apps=who) if who else _("Muted")


def _trouble(daemon: DaemonSnapshot) -> str:
    what = {
        BYPASSED: _("Noise is not removed"),
        WAITING_FOR_SERVER: _("Waiting for the sound server"),
        WAITING_FOR_MICROPHONE: _("Waiting for a microphone"),
    }[daemon.state]
    why = daemon.reason.words
    return f"{what}: {why}" if why else what


def strength_label(strength_db: float) -> str:
    """How a strength is called in the menu."""
    if math.isinf(strength_db):
        return _("Full")
    for limit, words in (
        (0.0, _("Nothing is removed, {strength:g} dB")),
        (8.0, _("Very gentle, {strength:g} dB")),
        (15.0, _("Gentle, {strength:g} dB")),
        (25.0, _("Medium, {strength:g} dB")),
    ):
        if strength_db <= limit:
            return words.format(strength=strength_db)
    return _("Strong, {strength:g} dB").format(strength=strength_db)


def model_label(name: str) -> str:
    """How a model is called in the menu: what it is good for, or the name of one that is not ours."""
    meanings = {
        "densenet-small": _("Balanced (ours)"),
        "densenet-next": _("Most noise removed (ours)"),
        "densenet-tiny": _("Lightest (ours)"),
        "deepfilternet3": _("DeepFilterNet 3: strongest, more delay, about a fifth of a core"),
        "rnnoise": _("RNNoise: well known, more delay"),
        "hush": _("Only my voice (Hush, experimental)"),
        "webrtc": _("WebRTC: steady noise alone, hardly any work"),
    }
    return meanings.get(name, name)


def _strengths(daemon: DaemonSnapshot) -> Menu:
    offered = sorted({*STRENGTHS_DB, math.inf, daemon.strength_db})
    return tuple(
        Item(strength_label(db), Action(Do.SET_STRENGTH, db), checked=db == daemon.strength_db, is_radio=True)
        for db in offered
    )


def microphone_labels(daemon: DaemonSnapshot) -> dict[str, str]:
    """What can be chosen, with the choice itself even while it is not connected: the value to set, and what it is called."""
    default = next((m.description for m in daemon.microphones if m.is_default), "")
    automatic = _("Automatic ({microphone})").format(microphone=default) if default else _("Automatic")
    offered = {AUTO: automatic} | {m.name: m.description for m in daemon.microphones}
    if daemon.microphone not in offered:
        offered[daemon.microphone] = _("{microphone} (not connected)").format(microphone=daemon.microphone)
    return offered


def _microphones(daemon: DaemonSnapshot) -> Menu:
    return tuple(
        Item(label, Action(Do.SET_MICROPHONE, name), checked=name == daemon.microphone, is_radio=True)
        for name, label in microphone_labels(daemon).items()
    )


def _models(daemon: DaemonSnapshot) -> Menu:
    offered = dict.fromkeys((*daemon.models, daemon.model))  # the choice may be a file that no list has
    chosen = tuple(
        Item(model_label(name), Action(Do.SET_MODEL, name), checked=name == daemon.model, is_radio=True)
        for name in offered
        if name
    )
    missing = tuple(
        Item(_("{model} (not installed)").format(model=model_label(name))) for name in daemon.missing_engines
    )
    return chosen + missing
