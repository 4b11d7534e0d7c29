"""The part of the daemon's object by which people hear and compare what the filter does."""
# ruff: noqa: N802  (names as D-Bus has them)

import asyncio
import os
import stat

# No postponed annotations here: dbus-fast cannot read "None" as text.
from collections.abc import Callable
from typing import Annotated

from dbus_fast import DBusError
from dbus_fast.annotations import DBusBool, DBusSignature, DBusStr, DBusUnixFd
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import dbus_method, dbus_property, dbus_signal

from ..bus.session_bus import INVALID_VALUE, UNAVAILABLE
from ..hearing.take import Take
from ..i18n import _
from ..settings.file import SettingsFile
from .asker import Asker
from .controls import Controls
from .push_methods import PushMethods

_READ = PropertyAccess.READ
ByteArrays = Annotated[list[bytes], DBusSignature("ayay")]
Figures = Annotated[list[float], DBusSignature("dd")]


class HearingMethods(PushMethods):
    """Used by the control thread alone."""

    def __init__(
        self,
        controls: Controls,
        store: SettingsFile,
        on_change: Callable[[], None],
        caller: Callable[[], str],
        follow: Callable[[bool], None],
        asker: Asker,
    ) -> None:
        """``asker`` decides about Listen and the take; the others are as for ``PushMethods``."""
        super().__init__(controls, store, on_change, caller, follow)
        self._asker = asker
        self._saving = asyncio.Lock()

    @dbus_property(access=_READ)
    def Listening(self) -> DBusStr:
        """What Listen does now; empty while nothing."""
        return self._controls.listening.what

    @dbus_property(access=_READ)
    def HasTake(self) -> DBusBool:
        """Whether a take is kept. It is forgotten after five minutes, and when who asked for it leaves the bus."""
        return self._controls.listening.take is not None

    @dbus_method()
    def Listen(self, what: DBusStr) -> None:
        """Play on the default output, never into the virtual microphone, or record; an empty string ends it.

        "clean" is what applications hear, "microphone" what comes in, "removed" the difference. "nothing" opens the
        microphone alone. "take" keeps ten seconds of both sides in memory; "take-microphone" and "take-clean" play them.
        One thing at a time: it ends after two minutes, when the caller leaves the bus, when the screen is locked, and when
        it comes back through the microphone.
        """
        if what:
            self._asker.begin(self._caller(), what)
        else:
            self._asker.end()
        self._on_change()

    @dbus_signal()
    def ListeningEnded(self, what: str, why: str) -> Annotated[list[str], DBusSignature("ss")]:
        """What Listen did is over.

        Because of "asked", "done", "time", "locked", "feedback", "no-output" or "no-microphone".
        """
        return [what, why]

    @dbus_method()
    def TakeSpectra(self) -> ByteArrays:
        """The take's levels in bands, as of Spectra: 20 columns of 48 a second, of the microphone and of what is heard."""
        return list(self._kept.spectra)

    @dbus_method()
    def TakeFigures(self) -> Figures:
        """By how much the take's pauses are quieter, and its voice louder, dB. NaN where there was none."""
        return [self._kept.noise_down_db, self._kept.voice_changed_db]

    @dbus_method()
    async def SaveTake(self, microphone: DBusUnixFd, clean: DBusUnixFd) -> None:
        """Write the take as two WAV files into files that the caller has opened."""
        try:
            take = self._kept
            if not all(stat.S_ISREG(os.fstat(descriptor).st_mode) for descriptor in (microphone, clean)):
                raise DBusError(INVALID_VALUE, _("a take can be saved in files alone"))
            async with self._saving:
                await asyncio.to_thread(_write, take, microphone, clean)
        except OSError as error:
            raise DBusError(UNAVAILABLE, _("it cannot be saved: {error}").format(error=error.strerror)) from error
        finally:
            os.close(microphone)
            os.close(clean)

    @dbus_method()
    def ForgetTake(self) -> None:
        """The take is of no use any longer."""
        self._asker.forget()
        self._on_change()

    @property
    def _kept(self) -> Take:
        take = self._controls.listening.take
        if take is None:
            raise DBusError(UNAVAILABLE, _("nothing has been recorded"))
        return take


def _write(take: Take, *descriptors: int) -> None:
    for descriptor, content in zip(descriptors, take.wav(), strict=True):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
