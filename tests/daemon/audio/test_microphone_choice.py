"""Tests of the choice of a microphone, and of finding one by the text that a user types."""

from __future__ import annotations

import pytest

from densenoiser_daemon.audio.backend import Microphone
from densenoiser_daemon.audio.microphone_choice import DESCRIPTION, choose, resolve
from densenoiser_daemon.errors import DeviceError
from densenoiser_daemon.settings.settings import AUTO

HEADSET = Microphone("alsa_input.usb-headset", "USB Headset", 48_000, 1, False)
WEBCAM = Microphone("alsa_input.usb-webcam", "HD Webcam", 44_100, 12, True)
BUILT_IN = Microphone("alsa_input.pci", "Built-in Audio", 48_000, 2, False)
ALL = (HEADSET, WEBCAM, BUILT_IN)


def test_the_chosen_one_is_taken_while_it_is_there() -> None:
    assert choose(HEADSET.name, ALL) is HEADSET


def test_auto_is_the_default() -> None:
    assert choose(AUTO, ALL) is WEBCAM


def test_the_default_stands_in_for_an_absent_one() -> None:
    assert choose("gone", ALL, remembered=BUILT_IN.name) is WEBCAM


def test_without_a_default_the_one_last_used_stands_in() -> None:
    assert choose(AUTO, (HEADSET, BUILT_IN), remembered=BUILT_IN.name) is BUILT_IN
    assert choose(AUTO, (HEADSET, BUILT_IN), remembered="gone") is HEADSET
    assert choose(AUTO, (HEADSET, BUILT_IN)) is HEADSET


def test_without_microphones_there_is_none() -> None:
    assert choose(AUTO, (), remembered=HEADSET.name) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (AUTO, AUTO),
        (HEADSET.name, HEADSET.name),
        ("12", WEBCAM.name),
        ("1", HEADSET.name),
        ("usb headset", HEADSET.name),
        ("HD Webcam", WEBCAM.name),
        ("built", BUILT_IN.name),
        ("WEBCAM", WEBCAM.name),
    ],
)
def test_people_may_name_it_as_they_like(text: str, name: str) -> None:
    assert resolve(text, ALL) == name


def test_an_exact_name_wins_over_a_part_of_another() -> None:
    short = Microphone("mic", "A", 48_000, 7, False)
    longer = Microphone("mic_2", "B", 48_000, 8, False)
    assert resolve("mic", (longer, short)) == "mic"


def test_a_part_of_several_names_them() -> None:
    with pytest.raises(
        DeviceError, match=r"'usb' fits several microphones: .*USB Headset.*HD Webcam.*; name one of them"
    ):
        resolve("usb", ALL)


def test_a_misspelt_name_names_the_nearest() -> None:
    with pytest.raises(
        DeviceError, match=r"no microphone 'hd wabcam'; the nearest are: alsa_input.usb-webcam \(HD Webcam\)"
    ) as caught:
        resolve("hd wabcam", ALL)
    assert BUILT_IN.name not in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("text", ["99", "xyzzy", "-1"])
def test_something_else_names_all(text: str) -> None:
    with pytest.raises(DeviceError, match=r"there are: .*headset.*webcam.*pci.*--list-devices"):
        resolve(text, ALL)


def test_without_microphones_it_says_to_plug_one_in() -> None:
    with pytest.raises(DeviceError, match="no microphone at all; plug one in"):
        resolve("usb", ())


YETI = {"device.vendor.id": "046d", "device.product.id": "0ab7", "device.serial": "Yeti_1", DESCRIPTION: "Yeti Stereo"}
PORT = "device.bus_path"


def known(name: str, **changes: str) -> Microphone:
    """A microphone with the identity of YETI but for ``changes``; "" leaves a property out."""
    identity = YETI | {key.replace("_", "."): value for key, value in changes.items()}
    return Microphone(name, name, 48_000, 1, False, identity=tuple((k, v) for k, v in identity.items() if v))


LINE_IN = Microphone("renamed", "Line In", 48_000, 5, False, identity=((DESCRIPTION, "Line In"),))
OTHER = Microphone("other", "Other", 48_000, 2, True, identity=((DESCRIPTION, "Other"),))


@pytest.mark.parametrize(
    ("present", "identity", "expected"),
    [
        ([known("yeti.3.mono", description="Yeti Mono")], YETI, "yeti.3.mono"),
        ([known("yeti2", device_serial="Yeti_2")], YETI, "other"),
        ([known("webcam", device_product_id="0001")], YETI, "other"),
        ([known("a", device_serial=""), known("b", device_serial="")], YETI | {"device.serial": "x"}, "other"),
        ([OTHER], YETI, "other"),
        ([known("a")], {}, "other"),
        (
            [Microphone("renamed", "Line In", 1, 5, False, identity=((DESCRIPTION, "Line In"),))],
            {DESCRIPTION: "Line In"},
            "renamed",
        ),
    ],
)
def test_the_chosen_one_is_recognised_under_another_name(
    present: list[Microphone], identity: dict[str, str], expected: str
) -> None:
    """And a different device never is: then the default stands in."""
    found = choose("yeti.analog-stereo", [*present, OTHER], identity=identity)
    assert found is not None
    assert found.name == expected


def test_of_two_alike_the_one_in_the_same_place_is_meant() -> None:
    def at(name: str, port: str) -> Microphone:
        identity = ((DESCRIPTION, "Webcam"), (PORT, port))
        return Microphone(name, "Webcam", 48_000, 1, False, identity=identity)

    found = choose("gone", [at("a", "usb-1"), at("b", "usb-2"), OTHER], identity={DESCRIPTION: "Webcam", PORT: "usb-2"})
    assert found is not None
    assert found.name == "b"


def test_what_carries_our_own_sound_is_refused_with_the_reason() -> None:
    with pytest.raises(DeviceError, match="would be a loop"):
        resolve("x", [OTHER], [Microphone("x", "Remapped", 48_000, 3, False)])
