"""The commands of ``densenoiser`` that ask the daemon. Each prints its result and raises DensenoiserError."""

from __future__ import annotations

import argparse
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ..i18n import _
from ..settings.settings import AUTO
from ..status import WarningCode
from . import status_text
from .daemon_client import DaemonClient, Properties
from .terminal import say, say_json, say_table

_LOADING_SECONDS = 60.0
"""A model is loaded within 3 s; a busy machine or a first start of CUDA takes longer."""

Command = Callable[[DaemonClient, argparse.Namespace], Awaitable[None]]


async def status(client: DaemonClient, args: argparse.Namespace) -> None:
    """Once, or on every change."""
    if not args.watch:
        values = await client.properties()
        if args.json:
            say_json(status_text.for_json(values))
        else:
            say_table(status_text.lines(values, args.verbose))
        return
    last: object = None
    async for values in client.changes():
        now: object = status_text.for_json(values) if args.json else _sentence(values)
        if now != last and args.json:
            say_json(now, indent=None)
        elif now != last:
            say(f"{time.strftime('%H:%M:%S')}  {now}")
        last = now


async def enable(client: DaemonClient, args: argparse.Namespace) -> None:
    """``on`` and ``off``."""
    await client.set("Enabled", "b", args.command == "on")
    _say_enabled(args.command == "on")


async def toggle(client: DaemonClient, args: argparse.Namespace) -> None:
    """The other way."""
    _say_enabled(await client.call("Toggle"))


async def mute(client: DaemonClient, args: argparse.Namespace) -> None:
    """``mute`` and ``unmute``."""
    muted = args.command == "mute"
    await client.set("Muted", "b", muted)
    say(_("The microphone is muted.") if muted else _("The microphone is not muted."))


async def strength(client: DaemonClient, args: argparse.Namespace) -> None:
    """Show or set it, for all microphones or for the one in use."""
    if args.shared:
        await client.call("ForgetMicrophoneStrength", "s", "")
    if args.strength_db is not None and args.own:
        await client.call("SetMicrophoneStrength", "sd", "", args.strength_db)
    elif args.strength_db is not None:
        await client.set("Strength", "d", args.strength_db)
    say(status_text.strength((await client.properties())["Strength"]))


async def mic(client: DaemonClient, args: argparse.Namespace) -> None:
    """Show or choose the microphone."""
    if args.channels is not None:
        name = args.name if args.name not in (None, AUTO) else ""
        await client.call("SetMicrophoneChannel", "su", name, args.channels)
    if args.name is not None:
        await client.set("Microphone", "s", args.name)
    choice = (await client.properties())["Microphone"]
    microphones = {name: description for name, description, *_rest in await client.call("ListMicrophones")}
    if choice == AUTO:
        say(_("automatic: the sound server's default"))
    else:
        absent = _("not connected")
        say(f"{choice} ({microphones.get(choice, absent)})")


async def default(client: DaemonClient, args: argparse.Namespace) -> None:
    """Show or choose whether the virtual microphone is the default one."""
    if args.switch is not None:
        await client.set("Default", "b", args.switch == "on")
        is_default = args.switch == "on"
    else:
        is_default = bool((await client.properties())["IsDefault"])
    say(
        _('"DenseNoiser Mic" is the default microphone.')
        if is_default
        else _('"DenseNoiser Mic" is not the default microphone; make it so with: densenoiser default on')
    )


async def mics(client: DaemonClient, args: argparse.Namespace) -> None:
    """List the microphones."""
    values = await client.properties()
    rows = await client.call("ListMicrophones")
    if args.json:
        keys = ("name", "description", "sample_rate", "is_default", "is_chosen")
        say_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    for text in status_text.warnings({"Warnings": [w for w in values["Warnings"] if w[0] == WarningCode.HEADSET]}):
        say(text)
    if not rows:
        say(_("There is no microphone; plug one in."))
        return
    used = values["ActiveMicrophone"]
    say_table(
        [
            ("", _("NAME"), _("MICROPHONE"), _("SAMPLES A SECOND")),
            *(("*" if name == used else "", name, description, f"{rate}") for name, description, rate, *_rest in rows),
        ]
    )


async def model(client: DaemonClient, args: argparse.Namespace) -> None:
    """Show or choose the model."""
    if args.name is not None:
        await client.set("Model", "s", args.name, patience_seconds=_LOADING_SECONDS)
    say(status_text.model_label((await client.properties())["Model"]))


async def models(client: DaemonClient, args: argparse.Namespace) -> None:
    """List the models."""
    rows = await client.call("ListModels")
    missing = (await client.properties()).get("MissingEngines", ())
    if args.json:
        say_json([{"name": name, "is_chosen": chosen} for name, chosen in rows])
        return
    if not rows:
        say(_("No model is installed."))
        return
    costs = {name: rest for name, *rest in await client.call("MeasureModels", patience_seconds=_LOADING_SECONDS)}
    say_table(
        [
            ("", _("NAME"), _("DELAY"), _("PROCESSOR"), _("LICENCE"), _("GOOD FOR")),
            *(
                ("*" if chosen else "", name, *_cost(costs.get(name)), status_text.model_meaning(name))
                for name, chosen in rows
            ),
            *(
                ("", name, "", "", "", _("not installed: {command}").format(command=command))
                for name, command in missing
            ),
        ]
    )


def _cost(measured: Sequence[Any] | None) -> tuple[str, str, str]:
    """Delay, share of a core and licence, for people; empty for a model that cannot be used."""
    if measured is None:
        return "", "", ""
    delay_ms, percent, licence = measured
    return _("{delay:.0f} ms").format(delay=delay_ms), _("{percent:.1f} % of a core").format(percent=percent), licence


async def monitor(client: DaemonClient, args: argparse.Namespace) -> None:
    """Live meters."""
    from .monitor import monitor as draw  # noqa: PLC0415  (rich takes 100 ms to load)

    await draw(client)


async def end(client: DaemonClient, args: argparse.Namespace) -> None:
    """``quit``."""
    await client.call("Quit")


def _say_enabled(is_on: bool) -> None:
    say(_("Noise removal is on.") if is_on else _("Noise removal is off."))


def _sentence(values: Properties) -> str:
    return (
        f"{status_text.headline(values)}; {status_text.microphone(values)}; {status_text.strength(values['Strength'])}"
    )
