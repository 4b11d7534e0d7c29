"""Finds the microphone that a name means, and the one to take when it is away."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..errors import DeviceError
from ..i18n import _
from ..settings.settings import AUTO
from .backend import Headset, Microphone

DESCRIPTION = "description"
"""The key of the description in a microphone's identity."""
_PRODUCT, _SERIAL = ("device.vendor.id", "device.product.id"), "device.serial"
_PLACE = ("device.bus_path", "device.string", DESCRIPTION)
PROPERTIES = (*_PRODUCT, _SERIAL, "device.bus_path", "device.string")
"""The server's properties of a source that make its identity, with the description."""


def choose(
    wanted: str,
    microphones: Sequence[Microphone],
    remembered: str | None = None,
    identity: Mapping[str, str] = MappingProxyType({}),
) -> Microphone | None:
    """The microphone to take now for the setting ``wanted``, or None while there is none at all.

    If the chosen one is away, this is the default, else the one last used, else the first. One that came back under
    another name is recognised by ``identity``, which it had when it was chosen.
    """
    if (chosen := find(wanted, microphones, identity)) is not None:
        return chosen
    by_name = {m.name: m for m in microphones}
    default = next((m for m in microphones if m.is_default), None)
    return default or by_name.get(remembered or "") or next(iter(microphones), None)


def find(wanted: str, microphones: Sequence[Microphone], identity: Mapping[str, str]) -> Microphone | None:
    """The chosen microphone itself, by its name or by its identity, or None while it is away."""
    by_name = next((m for m in microphones if m.name == wanted), None)
    return by_name or (_recognise(identity, microphones) if wanted != AUTO else None)


def headset_to_take(wanted: str, microphones: Sequence[Microphone], headsets: Sequence[Headset]) -> Headset | None:
    """The headset whose microphone is the chosen one, or would be the only one; None if its profile may stay."""
    for headset in headsets:
        address = headset.card.partition(".")[2]
        if not microphones or (address and address in wanted.replace(":", "_")):
            return headset
    return None


def _recognise(identity: Mapping[str, str], microphones: Sequence[Microphone]) -> Microphone | None:
    """The microphone with this identity, or None if there is none or more than one.

    Where several devices fit, the place where they are plugged in decides, then the description.
    """
    left = [m for m in microphones if _is_same(identity, dict(m.identity))]
    for key in _PLACE:
        if len(left) > 1:
            left = [m for m in left if dict(m.identity).get(key) == identity.get(key)]
    return left[0] if len(left) == 1 else None


def _is_same(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether two identities may be one device's: never of two products, nor of two serial numbers in two places."""
    agree = {key for key in before if now.get(key) == before[key]}
    differ = {key for key in before if key in now} - agree
    if differ & set(_PRODUCT):
        return False
    if _SERIAL in before or _SERIAL in now:
        return _SERIAL in agree or ("device.bus_path" in agree and DESCRIPTION in agree)
    return "device.bus_path" in agree or DESCRIPTION in agree


def resolve(text: str, microphones: Sequence[Microphone], loops: Sequence[Microphone] = ()) -> str:
    """The source name that a person meant: "auto", an index, a name, a description, or a unique part of one.

    DeviceError that names the nearest ones otherwise. ``loops`` carry our own sound and are refused with the reason.
    """
    if text == AUTO:
        return AUTO
    if any(text in (m.name, m.description, str(m.index)) for m in loops):
        sentence = _(
            '{wanted!r} carries the sound of "DenseNoiser Mic" itself, so filtering it would be a loop; choose another'
        )
        raise DeviceError(sentence.format(wanted=text))
    for exact in (
        [m for m in microphones if text == m.name],
        [m for m in microphones if text == str(m.index)],
        [m for m in microphones if text.casefold() == m.description.casefold()],
    ):
        if exact:
            return exact[0].name
    partial = [
        m for m in microphones if text.casefold() in m.name.casefold() or text.casefold() in m.description.casefold()
    ]
    if len(partial) == 1:
        return partial[0].name
    if not microphones:
        sentence = _("no microphone {wanted!r}: the sound server has no microphone at all; plug one in")
        raise DeviceError(sentence.format(wanted=text))
    if partial:
        sentence = _("{wanted!r} fits several microphones: {names}; name one of them")
        raise DeviceError(sentence.format(wanted=text, names=_names(partial)))
    candidates = {label.casefold(): m for m in microphones for label in (m.name, m.description)}
    near = [candidates[label] for label in difflib.get_close_matches(text.casefold(), candidates, n=3, cutoff=0.4)]
    listed = _names(dict.fromkeys(near)) if near else _names(microphones)
    if near:
        sentence = _("no microphone {wanted!r}; the nearest are: {names} (densenoised --list-devices shows them)")
    else:
        sentence = _("no microphone {wanted!r}; there are: {names} (densenoised --list-devices shows them)")
    raise DeviceError(sentence.format(wanted=text, names=listed))


def _names(microphones: Sequence[Microphone] | dict[Microphone, None]) -> str:
    return ", ".join(f"{m.name} ({m.description})" for m in microphones)
