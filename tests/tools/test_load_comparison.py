"""``python -m tests.tools.soak --load``: the counting, and the chains on real servers; the load itself is stress-ng's."""

from __future__ import annotations

import json
import shutil

import pytest
from tests.tools import load_comparison

from densenoiser_daemon.errors import BackendError
from densenoiser_daemon.measurement.private_server import PrivateServer

REPORT = load_comparison.LoadReport("pulseaudio 16.1", "DenseNoiser", "SCHED_RR 10", 2.0, 4, 40.0, 2, 1, 0)


def test_counts_are_given_by_the_minute(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    load_comparison.print_reports([REPORT], as_json=False)
    row = next(line for line in capsys.readouterr().out.splitlines() if "DenseNoiser" in line)
    assert "2.0 (20 ms)" in row
    assert "0.5; 0.0" in row


def test_the_figures_can_be_had_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    load_comparison.print_reports([REPORT], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["gaps"] == 4


def test_without_stress_ng_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(BackendError, match="install stress-ng"):
        load_comparison.compare("pulseaudio", 1.0, 1, None)


def test_the_daemon_runs_without_real_time_where_the_system_grants_none(server: PrivateServer) -> None:
    _source, scheduling = load_comparison._start_daemon_without_real_time(server)
    assert scheduling == "normal"
