"""Benchmarks say where and when they measured, and their percentiles are what they say."""

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks.run import BENCHMARKS, conditions, main

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results"


def test_percentiles_are_nearest_rank():
    pytest.importorskip("playwright", reason="Playwright is not installed (`make test` brings it)")
    from benchmarks.latency import summary

    assert summary([float(n) for n in range(100, 0, -1)]) == {"p50_ms": 50.0, "p95_ms": 95.0, "max_ms": 100.0,
                                                              "moves": 100}
    assert summary([7.0]) == {"p50_ms": 7.0, "p95_ms": 7.0, "max_ms": 7.0, "moves": 1}
    with pytest.raises(ValueError, match="dead"):
        summary([])


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of the benches is for Linux only")
def test_conditions_name_machine_versions_and_date():
    found = conditions()
    assert found["machine"]["cores"] >= 1 and found["machine"]["cpu"] and found["machine"]["ram_gib"] > 0
    assert found["versions"]["quantlab"] and len(found["load_average_before"]) == 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", found["date"])


def test_an_unknown_benchmark_is_refused(capsys):
    assert main(["speed"]) == 2
    assert "no benchmark is called speed" in capsys.readouterr().err


@pytest.mark.parametrize("name", BENCHMARKS)
def test_committed_results_are_complete_and_nobodys(name):
    text = (RESULTS / f"{name}.json").read_text()
    assert json.loads(text).keys() >= {"benchmark", "date", "machine", "versions", "results"}
    assert not re.search(r'"(/|[A-Z]:\\\\)', text), "no absolute paths"
