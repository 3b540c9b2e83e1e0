"""The report in a real browser: what a model or a person wrote stays text, also without the page's own guard;
nothing is requested.
"""

import json

import pytest

from tests.lab.test_comparison import GOOD, Pretend, run
from tests.lab.test_report import EVIL

pytestmark = pytest.mark.browser
GUARD = "default-src 'none'; style-src 'unsafe-inline'"


@pytest.mark.parametrize("guarded", [True, False], ids=["as written", "without its Content-Security-Policy"])
def test_a_planted_script_does_not_run_and_nothing_is_requested(chromium, tmp_path, guarded):
    evil = (200, json.dumps({**GOOD, "response": EVIL, "thinking": EVIL}).encode() + b"\n")
    made = run(Pretend(odd={EVIL: evil, "two": (500, json.dumps({"error": EVIL}).encode())}), tmp_path,
               [EVIL, "two"])
    path = made.report(tmp_path / "report.html")
    if not guarded:
        text = path.read_text(encoding="utf-8")
        assert GUARD in text
        path.write_text(text.replace(GUARD, "default-src * 'unsafe-inline'"), encoding="utf-8")
    page, asked, said = chromium.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    try:
        page.goto(path.as_uri())
        assert page.title() == "Comparison of 2 models" and page.locator("script, img").count() == 0
        as_text = page.locator("pre", has_text="onerror=alert(1)")
        assert as_text.count() >= 3, "the answers and the prompt are there, as text"
        assert page.locator("svg[role=img]").count() == 1 and asked == [path.as_uri()] and said == []
    finally:
        page.close()
