"""The desktop's global shortcuts: one session of the XDG portal, on the connection that holds it.

https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.GlobalShortcuts.html
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.validators import is_object_path_valid

from . import bus
from .bus import RefusedError
from .i18n import _
from .shortcut import Shortcut, known

log = logging.getLogger(__name__)

NAME = "org.freedesktop.portal.Desktop"
APP_ID = "org.densenoiser.DenseNoiser"
"""Also the name of the desktop file, by which a portal knows who asks."""
_PATH = "/org/freedesktop/portal/desktop"
_SHORTCUTS = "org.freedesktop.portal.GlobalShortcuts"
_SESSION = "org.freedesktop.portal.Session"
_REQUEST = "org.freedesktop.portal.Request"
_REGISTRY = "org.freedesktop.host.portal.Registry"
_ANSWER_SECONDS = 20.0
"""For what shows no dialog."""
_DONE, _CANCELLED = 0, 1
_tokens = itertools.count(1)


class PortalSession:
    """Used by the thread of the connection's loop. Every signal that reaches it comes from ``owner``."""

    def __init__(
        self,
        connection: MessageBus,
        owner: str,
        turn: Callable[[Shortcut, bool], None],
        changed: Callable[[], None],
    ) -> None:
        """``owner`` is the portal's unique name. ``turn`` is told of presses and releases, ``changed`` of other triggers."""
        self.triggers: dict[Shortcut, str] = {}
        """What each bound shortcut is pressed by, as the desktop words it."""
        self.owner = owner
        self._bus = connection
        self._turn = turn
        self._changed = changed
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._path = ""
        self._version = 1
        self._is_bound = False
        """Whether this session was bound, which version 1 allows once."""
        self.is_open = False
        """Whether the portal has made the session."""
        self.is_binding = False
        """Whether the desktop's dialog is open."""

    async def open(self) -> None:
        """Make the session and learn what is bound. RefusedError where the portal has no global shortcuts."""
        await self._register()
        match await self._call(bus.PROPERTIES, "Get", "ss", _SHORTCUTS, "version"):
            case [Variant(signature="u", value=version)]:
                self._version = int(version)
        await self._create()
        self.is_open = True
        self._learn(await self._request("ListShortcuts", "o", self._path))

    def give_up(self) -> None:
        """The portal is gone: whatever waits for an answer of it is refused."""
        self.is_open = False
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(RefusedError("", _("the desktop's portal is gone")))

    async def bind(self) -> None:
        """Let the desktop show its dialog; returns when the user has closed it. RefusedError if it could not be shown."""
        self.is_binding = True
        try:
            if self._is_bound and self._version >= 2:
                await self._call(_SHORTCUTS, "ConfigureShortcuts", "osa{sv}", self._path, "", {})
                return
            if self._is_bound:
                self._path, path = "", self._path
                await self._call(_SESSION, "Close", path=path)
                await self._create()
            wanted = [[str(shortcut), {"description": Variant("s", shortcut.words)}] for shortcut in Shortcut]
            results = await self._request("BindShortcuts", "oa(sa{sv})s", self._path, wanted, "", has_dialog=True)
            self._is_bound = True
            self._learn(results)
        finally:
            self.is_binding = False

    def hear(self, message: Message) -> bool:
        """A signal of the portal. Whether the session is over."""
        if message.interface == _REQUEST and message.member == "Response":
            answer = self._answers.get(message.path or "")
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif message.interface == _SESSION and message.member == "Closed":
            return self.is_open and message.path == self._path
        elif message.interface == _SHORTCUTS and self.is_open and message.body[:1] == [self._path]:
            self._hear_shortcut(message)
        return False

    def _hear_shortcut(self, message: Message) -> None:
        match message.member, message.signature:
            case ("Activated" | "Deactivated") as member, "osta{sv}":
                shortcut = known(message.body[1])
                if shortcut is not None:
                    self._turn(shortcut, member == "Activated")
            case "ShortcutsChanged", "oa(sa{sv})":
                self._learn({"shortcuts": Variant("a(sa{sv})", message.body[1])})

    def _learn(self, results: dict[str, Variant]) -> None:
        listed = results.get("shortcuts")
        if listed is None or listed.signature != "a(sa{sv})":
            return
        found = {}
        for name, details in listed.value:
            shortcut, trigger = known(name), details.get("trigger_description")
            if shortcut is not None and trigger is not None and trigger.signature == "s":
                found[shortcut] = trigger.value
        self.triggers = found
        self._changed()

    async def _register(self) -> None:
        """Say who we are. Portals from 1.21 refuse callers without an application id; older ones do not ask."""
        try:
            await self._call(_REGISTRY, "Register", "sa{sv}", APP_ID, {})
        except RefusedError as error:
            log.debug("the portal does not register applications: %s", error)

    async def _create(self) -> None:
        token = _token()
        results = await self._request("CreateSession", "", options={"session_handle_token": Variant("s", token)})
        handle = results.get("session_handle")
        given = str(handle.value) if handle is not None else ""
        self._path = given if is_object_path_valid(given) else f"{_PATH}/session/{self._own_part()}/{token}"
        self._is_bound = False

    async def _request(
        self,
        member: str,
        signature: str,
        *body: Any,
        has_dialog: bool = False,
        options: Mapping[str, Variant] = MappingProxyType({}),
    ) -> dict[str, Variant]:
        """The results of a request. RefusedError if there are none; a dialog that was cancelled has empty ones."""
        token = _token()
        path = f"{_PATH}/request/{self._own_part()}/{token}"
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[path] = answer  # before the call: the answer may come before its reply
        try:
            handle = await self._call(
                _SHORTCUTS, member, f"{signature}a{{sv}}", *body, {**options, "handle_token": Variant("s", token)}
            )
            self._answers |= {str(chosen): answer for chosen in handle}  # portals before 0.9 choose it themselves
            async with asyncio.timeout(None if has_dialog else _ANSWER_SECONDS):
                message = await answer
        except TimeoutError as error:
            raise RefusedError("", _("the desktop does not answer")) from error
        finally:
            self._answers = {known: other for known, other in self._answers.items() if other is not answer}
        if message.signature != "ua{sv}" or message.body[0] not in (_DONE, _CANCELLED):
            raise RefusedError("", _("the desktop refused the shortcuts"))
        return dict(message.body[1]) if message.body[0] == _DONE else {}

    async def _call(self, interface: str, member: str, signature: str = "", *body: Any, path: str = _PATH) -> list[Any]:
        # To the owner: another portal than the one that the answers are expected from must not be meant.
        return await bus.call(self._bus, self.owner, path, interface, member, signature, *body)

    def _own_part(self) -> str:
        return str(self._bus.unique_name).removeprefix(":").replace(".", "_")


def _token() -> str:
    return f"densenoiser{next(_tokens)}"
