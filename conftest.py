"""For all tests: the reference profile, and no silent skips. A skip says what is missing; with CI=true it
fails.
"""

import os
import signal
from collections import defaultdict

import pytest

# Set before anything is collected, so that the kernels of nbval inherit it. A test of the live profile sets
# its own
# with `monkeypatch.setenv("QUANTLAB_PROFILE", "live")`.
os.environ["QUANTLAB_PROFILE"] = "reference"

# A shell that puts a command into the background lets it ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

IN_CI = os.environ.get("CI", "").lower() in ("true", "1")
CURES = {
    "browser": "`make tools` installs Chromium",
    "server": "`make tools` installs or builds Ollama and makes the test models",
    "install": "needs the package index",
}


def _refuse_skip(report) -> None:
    """Turn a skip into a failure that says why; an expected failure (xfail) is not a skip."""
    if IN_CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI does not allow: {_reason(report)}"


def _reason(report) -> str:
    where = report.longrepr
    words = where[2] if isinstance(where, tuple) else str(where)
    return words.removeprefix("Skipped: ").strip() or "no reason given"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    report = yield
    _refuse_skip(report)
    return report


def pytest_terminal_summary(terminalreporter):
    """What was skipped, why, and how to get it: one line per reason."""
    skipped = [r for r in terminalreporter.stats.get("skipped", []) if not hasattr(r, "wasxfail")]
    if not skipped:
        return
    groups = defaultdict(list)
    for report in skipped:
        groups[_reason(report)].append(report)
    terminalreporter.section("not tested here")
    for reason, reports in sorted(groups.items()):
        cures = {CURES[word] for report in reports for word in getattr(report, "keywords", ())
                 if word in CURES}
        cures = set() if "`" in reason else cures                # the reason already says what to do
        tests = "1 test" if len(reports) == 1 else f"{len(reports)} tests"
        terminalreporter.line(f"{tests}: {reason}" + "".join(f" ({cure})" for cure in sorted(cures)))
