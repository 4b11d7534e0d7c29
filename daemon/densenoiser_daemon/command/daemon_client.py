"""The command line's connection to the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import AuthError, InvalidAddressError
from dbus_fast.unpack import unpack_variants

from ..bus.bus_loss import LOST, keep_out_of_the_log
from ..bus.session_bus import (
    BUS_NAME,
    INTERFACE,
    INVALID_VALUE,
    NOT_STORED,
    OBJECT_PATH,
    SUPERSEDED,
    UNAVAILABLE,
    UNKNOWN_MICROPHONE,
    UNKNOWN_MODEL,
    session_bus_address,
    to_bus,
)
from ..errors import (
    BackendError,
    DensenoiserError,
    DeviceError,
    NotRunningError,
    SettingsError,
    SupersededError,
    UnusableModelError,
    UsageError,
)
from ..i18n import _
from .remedies import forced_restart_command, start_command

_ANSWER_SECONDS = 5.0
_START_SECONDS = 30.0
"""The bus itself gives up after 25 s."""
_PROPERTIES = "org.freedesktop.DBus.Properties"
_NOT_THERE = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner")
_ERRORS: dict[str, type[DensenoiserError]] = {
    INVALID_VALUE: UsageError,
    UNKNOWN_MICROPHONE: DeviceError,
    UNKNOWN_MODEL: UnusableModelError,
    SUPERSEDED: SupersededError,
    UNAVAILABLE: BackendError,
    NOT_STORED: SettingsError,
}

Properties = dict[str, Any]
"""Names as on D-Bus; the values without their variants."""


class DaemonClient:
    """``async with`` gives the connection. NotRunningError if no daemon answers."""

    def __init__(self, started: Callable[[], None] | None = None) -> None:
        """``started``: the bus may start a daemon that is not there, and this is called once it did. None: never."""
        self._started = started
        self._bus: MessageBus | None = None
        self._changes: asyncio.Queue[Properties | None] = asyncio.Queue()

    async def __aenter__(self) -> DaemonClient:
        address = session_bus_address()
        if address is None:
            raise NotRunningError(
                _(
                    "no session bus: set DBUS_SESSION_BUS_ADDRESS, or log in to a desktop session; see: densenoiser doctor"
                )
            )
        keep_out_of_the_log()
        try:
            self._bus = MessageBus(bus_address=address)
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._bus.connect()
        except (OSError, InvalidAddressError, AuthError) as error:
            raise NotRunningError(
                _("the session bus at {address} does not answer: {error}").format(address=address, error=error)
            ) from error
        if self._started is not None:
            try:
                await self._start(self._started)
            except BaseException:
                self._bus.disconnect()
                raise
        return self

    async def _start(self, started: Callable[[], None]) -> None:
        """Leaves it to the first question to say so where the bus does not know how to start the daemon."""
        reply = await self._ask(to_bus("NameHasOwner", BUS_NAME))
        if reply.body[0]:
            return
        try:
            await self._ask(to_bus("StartServiceByName", BUS_NAME, 0), _START_SECONDS)
        except NotRunningError:
            return
        except DensenoiserError as error:
            text = _("densenoised is not running, and the session bus could not start it: {error}; try: {command}")
            raise NotRunningError(text.format(error=error, command=start_command())) from error
        started()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bus is not None:
            self._bus.disconnect()

    async def properties(self) -> Properties:
        """All of them."""
        values: Properties = await self._send(_PROPERTIES, "GetAll", "s", [INTERFACE])
        return values

    async def set(self, name: str, signature: str, value: object, patience_seconds: float | None = None) -> None:
        """Write one. UsageError, DeviceError, UnusableModelError or SupersededError if the daemon refuses the value."""
        from dbus_fast import Variant  # noqa: PLC0415  (the other commands need none)

        await self._send(_PROPERTIES, "Set", "ssv", [INTERFACE, name, Variant(signature, value)], patience_seconds)

    async def call(
        self, member: str, signature: str = "", *arguments: object, patience_seconds: float | None = None
    ) -> Any:
        """Call a method; its result, or None. Errors as of ``set``."""
        return await self._send(INTERFACE, member, signature, list(arguments), patience_seconds)

    async def process(self) -> int:
        """The daemon's process number."""
        reply = await self._ask(to_bus("GetConnectionUnixProcessID", BUS_NAME))
        return int(reply.body[0])

    async def changes(self, with_levels: bool = False) -> AsyncIterator[Properties]:
        """All properties now, and again whenever some changed. NotRunningError when the daemon or the bus ends."""
        assert self._bus is not None
        lost = asyncio.ensure_future(self._bus.wait_for_disconnect())  # type: ignore[no-untyped-call]
        lost.add_done_callback(lambda _lost: self._changes.put_nowait(None))
        self._bus.add_message_handler(self._note)
        await self._match(
            f"sender='{BUS_NAME}',interface='{_PROPERTIES}',member='PropertiesChanged',path='{OBJECT_PATH}'"
        )
        await self._match(f"sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{BUS_NAME}'")
        values = await self.properties()
        if with_levels:
            await self.call("Watch", "b", True)
        while True:
            yield values
            changed = await self._changes.get()
            if changed is None:
                raise NotRunningError(_("densenoised ended"))
            values = values | changed

    def _note(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.member == "PropertiesChanged" and message.body[0] == INTERFACE:
            self._changes.put_nowait(unpack_variants(message.body[1]))
        elif message.member == "NameOwnerChanged" and message.body[0] == BUS_NAME and not message.body[2]:
            self._changes.put_nowait(None)

    async def _match(self, rule: str) -> None:
        await self._ask(to_bus("AddMatch", f"type='signal',{rule}"))

    async def _send(
        self,
        interface: str,
        member: str,
        signature: str,
        body: list[Any],
        patience_seconds: float | None = None,
    ) -> Any:
        reply = await self._ask(
            Message(
                destination=BUS_NAME,
                path=OBJECT_PATH,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
                flags=MessageFlag.NO_AUTOSTART,
            ),
            patience_seconds,
        )
        return unpack_variants(reply.body[0]) if reply.body else None

    async def _ask(self, message: Message, patience_seconds: float | None = None) -> Message:
        assert self._bus is not None
        try:
            async with asyncio.timeout(patience_seconds or _ANSWER_SECONDS):
                reply = await self._bus.call(message)
        except TimeoutError:
            raise DensenoiserError(
                _("densenoised does not answer; restart it with: {command}").format(command=forced_restart_command())
            ) from None
        except LOST as error:
            raise NotRunningError(_("the session bus is gone")) from error
        if reply is None:
            raise NotRunningError(_("densenoised ended"))
        if reply.message_type is MessageType.ERROR:
            raise _translate(reply)
        return reply


def _translate(reply: Message) -> DensenoiserError:
    name, text = reply.error_name or "", str(reply.body[0]) if reply.body else ""
    if name in _NOT_THERE:
        return NotRunningError(
            _("densenoised is not running; start it with: {command}").format(command=start_command())
        )
    return _ERRORS.get(name, DensenoiserError)(text or name)
