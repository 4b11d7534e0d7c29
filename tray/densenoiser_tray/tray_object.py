"""What the tray shows on D-Bus: the shortcuts, which the window lets people choose."""
# ruff: noqa: N802  (names as D-Bus has them)

# No postponed annotations here: dbus-fast reads signatures from them.
from typing import Annotated, Protocol

from dbus_fast import DBusError, Message, MessageFlag, MessageType
from dbus_fast.annotations import DBusSignature, DBusStr
from dbus_fast.constants import PropertyAccess
from dbus_fast.service import ServiceInterface, dbus_method, dbus_property

from .bus import RefusedError
from .i18n import _
from .shortcut import Shortcut, known

NAME = "org.densenoiser.Tray1"
"""Owned while the tray runs, so that there is one icon only."""
PATH = "/org/densenoiser/Tray1"
INVALID_VALUE = "org.densenoiser.Error.InvalidValue"
UNAVAILABLE = "org.densenoiser.Error.Unavailable"
_LONGEST_TEXT = 1000
Rows = Annotated[list[list[str]], DBusSignature("a(sss)")]


class ShortcutKeeper(Protocol):
    """Who holds the shortcuts, by whatever means the desktop has."""

    @property
    def backend(self) -> str:
        """The means: "portal", "x11", or "" if there is none."""
        ...

    @property
    def triggers(self) -> dict[Shortcut, str]:
        """What each is pressed by, for people; those that are not bound are missing."""
        ...

    async def bind(self) -> None:
        """Let the desktop show its dialog. RefusedError if it has none."""
        ...

    async def set_key(self, shortcut: Shortcut, key: str) -> None:
        """Take this key, or none for "". ValueError for what is no key, RefusedError if it cannot be had."""
        ...


class TrayObject(ServiceInterface):
    """The interface ``org.densenoiser.Tray1``. Used by the thread of the connection's loop."""

    def __init__(self, keeper: ShortcutKeeper) -> None:
        super().__init__(NAME)
        self._keeper = keeper
        self._shown = self._values()

    def changed(self) -> None:
        """Signal what differs from what was signalled last."""
        values = self._values()
        differing = {name: value for name, value in values.items() if value != self._shown[name]}
        self._shown = values
        if differing:
            self.emit_properties_changed(differing)

    @dbus_property(access=PropertyAccess.READ)
    def Shortcuts(self) -> Rows:
        """Each shortcut's name, what it does, and what it is pressed by, for people; empty if it is not bound."""
        triggers = self._keeper.triggers
        return [[str(shortcut), shortcut.words, triggers.get(shortcut, "")] for shortcut in Shortcut]

    @dbus_property(access=PropertyAccess.READ)
    def ShortcutBackend(self) -> DBusStr:
        """Who gives us keys: "portal" (the desktop: call Bind), "x11" (call SetKey), or "" if nobody does."""
        return self._keeper.backend

    @dbus_method()
    async def Bind(self) -> None:
        """Let the desktop show its dialog for the shortcuts. What is chosen there is signalled as Shortcuts."""
        try:
            await self._keeper.bind()
        except RefusedError as error:
            raise DBusError(UNAVAILABLE, str(error)) from error

    @dbus_method()
    async def SetKey(self, shortcut: DBusStr, key: DBusStr) -> None:
        """Press this shortcut by a key such as "<Control><Alt>m", or by none (""). Answered when the key is ours."""
        wanted = known(shortcut)
        if wanted is None:
            names = ", ".join(Shortcut)
            sentence = _('there is no shortcut "{name}"; there are {names}').format(name=shortcut, names=names)
            raise DBusError(INVALID_VALUE, sentence)
        try:
            await self._keeper.set_key(wanted, key)
        except ValueError as error:
            raise DBusError(INVALID_VALUE, str(error)) from error
        except RefusedError as error:
            raise DBusError(UNAVAILABLE, str(error)) from error

    def _values(self) -> dict[str, object]:
        return {"Shortcuts": self.Shortcuts, "ShortcutBackend": self.ShortcutBackend}


def refusal(message: Message) -> Message | None:
    """The error that answers a call of ours at once, or None if it may go on."""
    if message.message_type is not MessageType.METHOD_CALL or message.path != PATH:
        return None
    # dbus-fast logs a traceback for each call without reply that fails, so any client could flood the log.
    message.flags = MessageFlag.NONE
    if any(isinstance(part, str) and len(part) > _LONGEST_TEXT for part in message.body):
        return Message.new_error(message, INVALID_VALUE, _("the text is too long"))
    return None
