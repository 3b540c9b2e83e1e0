"""What Ollama does, as the suite found it: at its end a table of every statement, the versions it holds for
and how it was checked.

A test says which statements it checks: `@pytest.mark.statement("engine")`. Under pytest-xdist the marks
travel with the reports, so the table is whole.
"""

import pytest

from quantlab.lab.versions import CHECKED, STATEMENTS

NAME = "statement about Ollama"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    for mark in item.iter_markers("statement"):
        item.user_properties += [(NAME, key) for key in mark.args]


def pytest_terminal_summary(terminalreporter):
    found = outcomes(report for kind in ("passed", "failed", "error", "skipped")
                     for report in terminalreporter.stats.get(kind, []))
    if not found:
        return
    terminalreporter.section(f"what Ollama does; checked on {CHECKED}, or read in a source")
    for line in table(found):
        terminalreporter.line(line)


def outcomes(reports) -> dict[str, str]:
    """{key: "passed", or else what the worst of its tests came to}."""
    found: dict[str, str] = {}
    for report in reports:
        for name, key in getattr(report, "user_properties", ()):
            if name == NAME and found.get(key, "passed") == "passed":
                found[key] = report.outcome
    return found


def table(found: dict[str, str]) -> list[str]:
    """A line a statement: key, versions, how it was checked, the sentence."""
    lines = []
    for one in STATEMENTS:
        versions = f"{one.since or '…'} to {one.until or 'now'}"
        tested = one.checked == "server"
        how = f"server: {found.get(one.key, 'not run')}" if tested else f"read: {one.checked}"
        lines.append(f"{one.key:18} {versions:18} {how}\n{'':4}{one.says}")
    return lines
