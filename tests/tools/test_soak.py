"""The soak itself, for some seconds on each server: every figure is there, and none is out of all bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.tools import soak

from densenoiser_daemon.measurement.private_server import SERVER_KINDS

SECONDS = 8.0
CONNECTIONS = 2


@pytest.fixture(scope="module", params=SERVER_KINDS)
def report(request: pytest.FixtureRequest) -> soak.SoakReport:
    """One short run on one kind of server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soak, "_CONNECTIONS", CONNECTIONS)
        return soak.soak(request.param, SECONDS, 1.0)


def test_the_delay_is_known_and_bounded(report: soak.SoakReport) -> None:
    assert report.latency_windows >= 5
    # Above, the ceiling of the queue, the algorithm, and what the servers' blocks come to on a machine that is busy. Below,
    # the algorithm less a block: the two recordings that are compared start at block borders of their own.
    assert 10.0 < report.latency_median < 60.0 + 20.0 + 60.0
    assert len(report.latency_quarters) == 4


def test_every_connection_hears_sound(report: soak.SoakReport) -> None:
    assert len(report.first_sounds) == CONNECTIONS
    assert all(0.0 <= milliseconds < 1000.0 for milliseconds in report.first_sounds)


def test_nothing_reads_the_microphone_while_nobody_listens(report: soak.SoakReport) -> None:
    assert report.idle_readers == 0
    assert report.idle_cpu_percent < 20.0


def test_the_daemon_is_measured_all_along(report: soak.SoakReport) -> None:
    assert report.cpu_percent > 0.0
    assert abs(report.rss_last_mib - report.rss_first_mib) < 10.0
    frames = int(report.counters.split("frames=")[1].split(",")[0])
    assert frames > 0.8 * SECONDS * 100
    assert all(math.isfinite(cost) for cost in report.frame_cost_us)
    assert "densenoised" in report.scheduling


def test_dropouts_are_told_from_the_microphones_own(report: soak.SoakReport) -> None:
    assert 0 <= report.inherited_gaps <= report.gaps
    assert 0 <= report.inherited_breaks <= report.breaks


def test_the_table_has_every_row(
    report: soak.SoakReport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    soak._print([replace(report, gaps=7, inherited_gaps=5)])
    out = capsys.readouterr().out
    assert "5 of them from the microphone" in out
    assert all(label in out for label, _text in soak._ROWS)
    heading, _empty, columns, *_rows = soak._markdown([report]).splitlines()
    assert heading.startswith("`python -m tests.tools.soak")
    assert report.server in columns
