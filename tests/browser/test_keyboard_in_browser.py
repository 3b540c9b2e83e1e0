"""Two whole lessons by keyboard alone, and what axe-core says of their outputs, in light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.page import THEMES, LessonPage
from tests.thinned import some

pytestmark = pytest.mark.browser
HERE = """() => { const root = document.activeElement.closest(".ql-explorer");
    return root && [root.querySelector(".ql-live").textContent, look.signature(root)]; }"""
ACTIVE = "window.jupyterapp.shell.currentWidget.content.activeCellIndex"


@pytest.mark.parametrize("name", some(["00_start_here.ipynb", "06_will_it_fit.ipynb"], 2))
def test_a_lesson_by_keyboard(window, name):
    """Shift+Enter from cell to cell; Tab leads into what was made; an arrow moves it; Escape leads back."""
    with LessonPage(window, name) as lesson:
        lesson.open()
        page, press = lesson.page, lesson.page.keyboard.press
        page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook").focus()
        sources = page.evaluate("look.sources()")
        entered = moved = chosen = 0
        for index, (kind, source) in enumerate(sources):
            assert page.evaluate(ACTIVE) == index
            press("Shift+Enter")
            if kind != "code" or not source.rpartition("\n\n")[2].startswith(("ql.explore_", "ql.predict(")):
                continue
            lesson.wait_idle()
            assert lesson.wait_until(lambda at=index: page.evaluate("i => look.stands(i)", at))
            press("Tab")
            before = page.evaluate(HERE)
            assert before, (source, page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))
            entered += 1
            if "ql.predict(" in source:
                press("Enter")
                chosen += lesson.wait_until(lambda old=before: page.evaluate(HERE) != old)
            elif page.evaluate("document.activeElement.matches('.noUi-handle')"):
                press("ArrowRight")
                moved += lesson.wait_until(lambda old=before: page.evaluate(HERE)[1] != old[1])
            press("Escape")
        assert entered >= 2 and chosen >= 1 and moved >= 1, (entered, chosen, moved)
        assert lesson.faults == []
        for theme in THEMES:
            lesson.theme(theme)
            assert serious(page) == [], theme


def serious(page) -> list[tuple[str, str]]:
    """What axe-core finds serious or critical in our outputs: its rule and where."""
    found = Axe().run(page, context=".jp-OutputArea-output", options={"resultTypes": ["violations"]}).response
    assert any(rule["id"] == "color-contrast" for rule in found["passes"]), "axe has looked at something"
    return [(rule["id"], node["html"][:120]) for rule in found["violations"]
            if rule["impact"] in ("serious", "critical") for node in rule["nodes"]]
