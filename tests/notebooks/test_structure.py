"""Every lesson has the shape a learner can rely on, and carries nothing of the machine it was made on."""

import ast
import builtins
import re
import statistics
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

import quantlab as ql
from tools.notebooks import clean

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
LESSONS = ["00_start_here", "01_what_is_quantization", "02_blocks_and_outliers", "03_gguf_and_tags",
           "04_quantization_types", "05_k_quants", "06_will_it_fit", "07_quality_testing",
           "08_when_to_use_which", "09_custom_models", "10_takeaways_and_quiz", "11_scale_search_and_imatrix",
           "12_codebooks_and_fp4", "13_kv_cache_and_context", "14_speed_and_bandwidth",
           "15_a_super_block_by_hand", "16_mixes_of_your_own", "17_measuring_a_model",
           "18_beyond_rounding", "19_many_experts"]
TAGS = {"setup", "predict", "explore", "exercise", "check", "solution", "show-code", "needs-ollama", "quiz"}
OF_THIS_MACHINE = re.compile(
    r"(?<![\w.~])/(home|root|work|tmp|Users|private)/\w|[A-Z]:\\Users|site-packages|pyenv")
OF_AN_INDEX = re.compile(r"index-url|/simple\b|pythonhosted|find-links")
UNFINISHED = re.compile(r"\b(TODO|FIXME|TBD|lorem ipsum|coming soon|placeholder)\b", re.IGNORECASE)

every_lesson = pytest.mark.parametrize("name", LESSONS)


@cache
def read(name: str):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def cells(name: str, kind: str, tag: str = "") -> list:
    return [c for c in read(name).cells if c.cell_type == kind
            and (not tag or tag in c.metadata.get("tags", []))]


def prose(name: str) -> str:
    return "\n\n".join(c.source for c in cells(name, "markdown"))


def headings(name: str) -> list[str]:
    text = re.sub(r"```.*?```", "", prose(name), flags=re.DOTALL)
    return [line.strip() for line in text.splitlines() if re.match(r"#{1,6} ", line)]


def shown(name: str) -> list[str]:
    """Every text of the outputs: streams and text/* data."""
    found = []
    for cell in cells(name, "code"):
        for output in cell.outputs:
            found.append(output.get("text", ""))
            found += [str(data) for mime, data in output.get("data", {}).items() if mime.startswith("text/")]
    return found


@every_lesson
def test_the_maps_say_the_minutes_that_the_lesson_says(name):
    own = re.search(r"[Aa]bout (\d+) minutes", prose(name))[1]
    maps = prose("00_start_here") + (ROOT / "README.md").read_text()
    lines = [line for line in maps.splitlines() if f"{name}.ipynb)" in line and "|" in line]
    assert lines and all(f"| {own} |" in line or f"| {own} min |" in line for line in lines), (own, lines)


def test_all_lessons_are_there():
    assert sorted(p.stem for p in FOLDER.glob("*.ipynb")) == [*LESSONS, "glossary", "playground"]


def test_the_glossary_explains_each_word_in_a_few_sentences_and_leads_to_its_lesson():
    words = re.findall(r"^### (.+)\n(.+)", prose("glossary"), re.MULTILINE)
    assert len(words) >= 35 and len({word for word, _ in words}) == len(words)
    for word, said in words:
        assert 6 <= len(said.split()) <= 60, word
    assert {target for target in re.findall(r"\]\((\d\d_\w+)\.ipynb\)", prose("glossary"))} <= set(LESSONS)
    assert len(cells("glossary", "code")) >= 5, "a picture for each group of words"


def test_the_playground_has_every_exhibit_and_the_lessons_have_the_words():
    code = "\n".join(cell.source for cell in cells("playground", "code"))
    exhibits = {name for name in ql.__all__ if name.startswith("explore_")}
    assert exhibits == set(re.findall(r"ql\.(explore_\w+)", code))
    assert len(prose("playground").split()) < 200


def test_words_are_linked_where_the_glossary_has_them():
    known = {heading.removeprefix("### ").replace(" ", "-") for heading in headings("glossary")}
    linked = {(name, anchor) for name in LESSONS
              for anchor in re.findall(r"\(glossary\.ipynb#([^)]+)\)", prose(name))}
    assert {(name, anchor) for name, anchor in linked if anchor not in known} == set()


@every_lesson
def test_one_title_then_a_claim(name):
    first = read(name).cells[0]
    title, *rest = first.source.strip().splitlines()
    assert re.match(rf"# {name[:2]} · \S", title), title
    assert len(" ".join(rest).split()) >= 8, "below the title stands a claim in a sentence or two"
    assert [h for h in headings(name) if h.startswith("# ")] == [title]


@every_lesson
def test_headings_go_down_one_step_at_a_time(name):
    depths = [len(h.split()[0]) for h in headings(name)]
    assert all(after <= before + 1 for before, after in pairwise(depths)), headings(name)


@every_lesson
def test_needed_sections(name):
    needed = {"## Objectives", "## Exercise", "## Takeaways", "## Next"}
    assert needed - set(headings(name)) == set()


def walk_minutes(name: str) -> float:
    """Minutes of a walk: reading at 180 words a minute, and what hands do in each kind of cell."""
    questions = len(ql.final_quiz().questions) if name.startswith("10") else 3
    by_tag = {"predict": 0.7, "explore": 1.2, "exercise": 2.5, "quiz": 0.5 * questions, "check": 0.2}
    cost = sum(by_tag.get(next(iter(set(c.metadata.get("tags", [])) & by_tag.keys()), ""), 0.6)
               for c in cells(name, "code"))
    return len(prose(name).split()) / 180 + cost + 0.8 * len(targets(name))


def targets(name: str) -> list[str]:
    """The targets that its exhibits have."""
    return [number for cell in cells(name, "code") for call in re.findall(r"\.aim\(([^)]*)\)", cell.source)
            for number in re.findall(r'"([^"]+)"', call)]


@every_lesson
def test_the_minutes_it_says_are_those_of_a_walk(name):
    own = int(re.search(r"[Aa]bout (\d+) minutes", prose(name))[1])
    assert abs(own - walk_minutes(name)) <= 2, f"{own} minutes, a walk takes {walk_minutes(name):.0f}"


@every_lesson
def test_what_it_needs_and_what_it_leaves_out(name):
    objectives = next(c.source for c in cells(name, "markdown") if "## Objectives" in c.source)
    assert "**You need:**" in objectives and "**Not covered:**" in objectives


@every_lesson
def test_at_least_two_targets_of_its_own(name):
    assert len(targets(name)) >= 2 and all(number.startswith(name[:2]) for number in targets(name))


@every_lesson
def test_picture_within_the_first_screen(name):
    pictures = [i for i, cell in enumerate(read(name).cells) if cell.cell_type == "code"
                and any("<img" in output.get("data", {}).get("text/html", "") for output in cell.outputs)]
    assert pictures, "a lesson has at least one picture"
    assert pictures[0] <= 3, f"the first picture is in cell {pictures[0]}"


@every_lesson
def test_predict_explore_exercise_check(name):
    assert {t for c in read(name).cells for t in c.metadata.get("tags", [])} <= TAGS
    assert cells(name, "code", "setup"), "one cell tagged setup"
    for tag in ("predict", "explore", "exercise", "check"):
        assert cells(name, "code", tag), f"a cell tagged {tag}"
    assert all("ql.predict(" in c.source for c in cells(name, "code", "predict"))
    assert all("..." in c.source for c in cells(name, "code", "exercise")), "the learner replaces three dots"
    assert all(re.search(r"ql\.check(_\w+)?\(", c.source) for c in cells(name, "code", "check"))
    assert "<details>" in prose(name)
    assert len(re.findall(r"<summary>[^<]*hint", prose(name), re.IGNORECASE)) >= 2
    assert re.search(r"<summary>[^<]*solution", prose(name), re.IGNORECASE)


@every_lesson
def test_an_untouched_exercise_is_not_judged(name):
    for cell in cells(name, "code", "check"):
        texts = [output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        assert texts and not any("✓" in text or "✗" in text for text in texts), texts


def n_lines(source: str) -> int:
    """Lines that teach: the import with which a section starts is none."""
    return len(re.sub(r"^import .*\n", "", source, flags=re.MULTILINE).strip().splitlines())


def missing(source: str) -> set[str]:
    """Names that a cell uses and does not make."""
    tree = ast.parse(source)
    nodes = [*ast.walk(tree)]
    made = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    made |= {a.asname or a.name.split(".")[0] for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)
             for a in n.names}
    made |= {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    made |= {a.arg for n in nodes if isinstance(n, ast.arguments) for a in [*n.args, *n.kwonlyargs]}
    used = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return used - made - set(dir(builtins))


def test_a_missing_name_is_found():
    assert missing("import numpy as np\nx = np.pi\n[y for y in z] + x") == {"z"}


@every_lesson
def test_the_first_cell_of_each_section_runs_alone(name):
    """After a kernel has been restarted, a learner goes on where the lesson was left."""
    first, found = False, []
    for cell in read(name).cells:
        if cell.cell_type == "markdown":
            first = first or any(line.startswith("## ") for line in cell.source.splitlines())
        elif first:
            found += [(cell.source, names)] if (names := missing(cell.source)) else []
            first = False
    assert found == []


@every_lesson
def test_nothing_needs_fonts_or_room_that_may_be_missing(name):
    """No formula that only MathJax, from the network, could draw; no line that a small screen cuts."""
    assert "$" not in re.sub(r"`[^`]*`|```.*?```", "", prose(name), flags=re.DOTALL)
    assert max(len(line) for c in cells(name, "code") for line in c.source.splitlines()) <= 100


@every_lesson
def test_cells_are_thin(name):
    code = cells(name, "code")
    assert max(len(c.source.splitlines()) for c in code) <= 12
    lengths = [n_lines(c.source) for c in code if "show-code" not in c.metadata.get("tags", [])]
    assert statistics.median(lengths) <= 3, lengths
    assert all(c.source.strip() for c in read(name).cells), "no empty cells"


@every_lesson
def test_executed_from_top_to_end_without_errors(name):
    code = cells(name, "code")
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    outputs = [output for cell in code for output in cell.outputs]
    assert [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"] == []


@every_lesson
def test_every_output_has_words(name):
    for cell in cells(name, "code"):
        for output in cell.outputs:
            data = output.get("data", {})
            words = data.get("text/plain", "")
            if "ql-still" in data.get("text/html", ""):
                assert len(words.split()) >= 4, f"a widget's words are a sentence: {words!r}"
                assert "<img" not in data["text/html"] or f'alt="{escape(words)}"' in data["text/html"]
            if data and not any("widget-view" in mime for mime in data):    # its words are those of its still
                assert words.strip() and "VBox(" not in words and "<quantlab" not in words, (
                    cell.source,
                    words,
                )


@every_lesson
def test_links_lead_somewhere(name):
    for target in re.findall(r"\]\((?!https?:|#|mailto:|attachment:)([^)#\s]+)", prose(name)):
        assert (FOLDER / target).exists(), target


@every_lesson
def test_previous_next_and_map(name):
    place = LESSONS.index(name)
    near = {LESSONS[0], *LESSONS[max(place - 1, 0):place + 2]} - {name}
    last = next(text for text in reversed([c.source for c in cells(name, "markdown")]) if "## Next" in text)
    assert [lesson for lesson in sorted(near) if f"({lesson}.ipynb)" not in last] == []


@every_lesson
def test_nothing_of_this_machine(name):
    for text in [c.source for c in read(name).cells] + shown(name):
        assert not OF_THIS_MACHINE.search(text), OF_THIS_MACHINE.search(text)
        assert not OF_AN_INDEX.search(text), OF_AN_INDEX.search(text)


@every_lesson
def test_finished_prose(name):
    assert not UNFINISHED.search(prose(name))


@every_lesson
def test_names_of_the_package_exist(name):
    used = {node.attr for cell in cells(name, "code") for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ql"}
    named = set(re.findall(r"`ql\.(\w+)", prose(name)))
    assert {word for word in used | named if word not in ql.__all__ and word != "__version__"} == set()


@every_lesson
def test_metadata_is_clean_and_the_file_small(name):
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < 1_500_000
    tidy = nbformat.writes(clean(nbformat.read(path, as_version=4), name))
    assert tidy.strip() == path.read_text().strip(), "run `make notebooks`"
