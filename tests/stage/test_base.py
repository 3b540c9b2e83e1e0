"""The stage of all exhibits: what it promises to eyes, ears, keyboards and readers without a kernel."""

import asyncio
import base64
import re
import struct
import threading
from dataclasses import replace

import ipywidgets as widgets
import pytest

from quantlab.canvas.style import Picture
from quantlab.canvas.svg import hatching, page, rect
from quantlab.stage.base import SETTLED, Stage, html_table
from quantlab.stage.exhibit import Exhibit, show
from quantlab.stage.handles import Button, Link, Panel, menu, number_field, slider
from quantlab.stage.keys import across, along, turned
from quantlab.stage.touchable import Touchable, png


def draw(bits: int, size: float = 4.0) -> Picture:
    """A bar; taller from 6 bits on, refused at 7."""
    if bits == 7:
        raise ValueError("7 bits: no format has them, choose 6 or 8")
    return page(200 if bits < 6 else 300, [rect(16, 80, 20 * bits, 20, "#0072B2")],
                finding=f"{bits} bits of {size} GiB", table=(("bits", "size"), (str(bits), str(size))))


def staged(*declared, **more) -> Stage:
    return Stage(Exhibit(*declared, **more))


def explorer(**more) -> Stage:
    handles = [slider("bits", "bits per weight", 4, 2, 8),
               number_field("size", "size in GiB", 4.0, 1, 30, 0.1)]
    return staged(handles, draw, **more)



def rough(bits: int, size: float) -> Picture:
    return page(200, [], finding=f"{bits} bits, roughly")


def height(made: Stage) -> int:
    """The room that the view keeps for its picture."""
    return int(re.search(r"aspect-ratio:760/(\d+)", made.view.value)[1])


def drawn(made: Stage) -> str:
    return re.fullmatch(r'<div class="ql-frame"[^>]*>(.*)</div>', made.view.value)[1]


def size_of_png(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", data[16:24])


def test_first_picture_is_drawn_from_the_controls():
    assert drawn(explorer()) == draw(4, 4.0).svg


def test_every_move_redraws_picture_and_finding():
    made = explorer()
    made.controls["bits"].value = 5
    assert drawn(made) == draw(5).svg
    assert made.finding == "5 bits of 4.0 GiB"


def test_set_moves_several_controls_and_draws_once():
    calls = []
    made = staged([slider("a", "a", 1, 0, 9), slider("b", "b", 1, 0, 9)],
                 lambda a, b: calls.append((a, b)) or page(90, [], finding=f"{a} {b}"))
    calls.clear()
    made.set(a=5, b=6)
    assert calls == [(5, 6)]


def test_a_refused_set_leaves_the_explorer_alive():
    made = explorer()
    with pytest.raises(KeyError):
        made.set(bits=5, colour=3)
    made.controls["bits"].value = 3
    assert made.finding.startswith("3 bits")


def test_presets_and_reset():
    made = explorer(presets={"Tiny": {"bits": 2, "size": 1}})
    made.buttons["Tiny"].click()
    assert made.values() == {"bits": 2, "size": 1.0}
    assert made.finding == "2 bits of 1.0 GiB"
    made.buttons["Reset"].click()
    assert drawn(made) == draw(4, 4.0).svg


def test_float_tails_of_the_browser_are_cut_off():
    made = explorer()
    made.controls["size"].value = 12.000000000000002
    assert made.values()["size"] == 12.0
    assert made.finding == "4 bits of 12.0 GiB"


def test_table_appears_on_request_and_follows_the_handles():
    made = explorer()
    assert made.words.value == ""
    made.buttons["As table"].value = True
    assert "<td>4.0</td>" in made.words.value
    made.controls["size"].value = 5
    assert "<td>5.0</td>" in made.words.value
    made.buttons["As table"].value = False
    assert made.words.value == ""


def test_a_refusal_is_a_sentence_and_the_next_move_recovers():
    made = explorer()
    made.controls["bits"].value = 7
    assert made.finding == "7 bits: no format has them, choose 6 or 8"
    assert "no format has them" in made.view.value
    made.controls["bits"].value = 8
    assert made.finding.startswith("8 bits")


def test_a_bug_in_a_drawing_is_not_hidden():
    def broken(bits):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        staged([slider("bits", "bits", 4, 2, 8)], broken)


def test_the_page_never_jumps_back_and_never_cuts():
    made = explorer()
    first = height(made)
    made.controls["bits"].value = 3
    assert height(made) == first >= 200
    made.controls["bits"].value = 6
    assert height(made) == first + 100, "a taller picture is shown whole"
    made.controls["bits"].value = 7
    assert height(made) == first + 100, "a refusal does not move the page"


def test_an_explorer_that_starts_with_a_refusal_has_room_later():
    made = staged([slider("bits", "bits", 7, 2, 8)], draw)
    made.controls["bits"].value = 5
    assert height(made) >= 200


def test_mimebundle_survives_without_a_kernel():
    made = explorer()
    made.controls["bits"].value = 5
    bundle = made._repr_mimebundle_()
    assert bundle["text/plain"] == "5 bits of 4.0 GiB"
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert size_of_png(base64.b64decode(bundle["image/png"])) == (2 * 760, 2 * 200)


def test_png_size_does_not_depend_on_the_words_and_the_words_are_there():
    short, long = draw(4), draw(4, 123456.0)
    assert size_of_png(png(short)) == size_of_png(png(long))
    assert png(short) != png(long)


def test_every_control_gets_a_label():
    controls = {"a": widgets.IntSlider(1, description="bits:"),
                "b": widgets.Dropdown(options=["x"], tooltip="a list"), "c": widgets.IntText(3)}
    labels = Touchable([*controls.values()], controls).assistant.labels
    assert labels == {"ql-c-a": "bits", "ql-c-b": "a list", "ql-c-c": "c"}
    assert all(f"ql-c-{name}" in control._dom_classes for name, control in controls.items())


def test_the_assistant_is_on_the_page_and_speaks_the_finding():
    made = explorer()
    assert made.children[-1] is made.assistant
    made.controls["bits"].value = 3
    assert made.assistant.finding == made.finding == "3 bits of 4.0 GiB"


def test_words_from_outside_are_escaped():
    evil = "<script>alert(1)</script>"
    made = staged(draw=lambda: page(90, [], finding=evil, table=((evil,), (evil,))), note=evil)
    made.buttons["As table"].value = True
    shown = [made.view.value, made.words.value, *(child.value for child in made.children
                                                  if isinstance(child, widgets.HTML))]
    assert "<script" not in "".join(shown)
    assert sum("&lt;script&gt;" in text for text in shown) >= 3


def test_two_pictures_on_a_page_do_not_share_their_hatching():
    hatched = page(120, [hatching("over"), rect(16, 80, 90, 20, "url(#over)")], finding="hatched")
    one, two = Stage(show(hatched)).view.value, Stage(show(hatched)).view.value
    (first,), (second,) = re.findall(r'id="(over[^"]*)"', one), re.findall(r'id="(over[^"]*)"', two)
    assert first != second
    assert f"url(#{first})" in one and f"url(#{second})" in two


def test_show_has_a_picture_a_sentence_and_nothing_to_reset():
    made = Stage(show(draw(4)))
    assert "Reset" not in made.buttons
    assert made._repr_mimebundle_()["text/plain"] == "4 bits of 4.0 GiB"


def test_html_table():
    assert html_table(()) == ""
    assert html_table((("a", "b"), ("1", "<"))) == (
        '<table class="ql-table"><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead>'
        "<tbody><tr><td>1</td><td>&lt;</td></tr></tbody></table>")


def test_a_task_reports_refuses_a_second_one_and_ends_in_words():
    begun, go = threading.Event(), threading.Event()

    def work():
        made.tell("half way", busy=True, share=0.5)
        begun.set()
        assert go.wait(10)
        raise OSError("the disk is full")

    made = staged(first=page(90, [], finding="nothing yet"), buttons=[
        Button("run", "Run", "Begin", lambda: made.start(work), task=True),
        Button("cancel", "Cancel", "Stop", lambda: made.stop())])
    assert made.buttons["cancel"].disabled and not made.buttons["run"].disabled
    made.buttons["run"].click()
    assert begun.wait(10) and 'value="0.500"' in made.status.value and "half way" in made.status.value
    assert made.buttons["run"].disabled and not made.buttons["cancel"].disabled
    made.start(work)
    assert "One thing after the other" in made.status.value
    made.buttons["cancel"].click()
    assert made.cancel.is_set()
    go.set()
    made.thread.join(10)
    assert made.finding == "the disk is full" and "the disk is full" in made.status.value
    assert made.buttons["cancel"].disabled and not made.buttons["run"].disabled


def test_page_keys_turn_the_handle_that_was_named():
    made = explorer(keys="PageUp PageDown", label="a bar", pages="bits")
    made.touched({"key": "PageUp"})
    assert made.controls["bits"].value == 5
    made.set(bits=8)
    made.touched({"key": "PageUp"})
    assert made.controls["bits"].value == 8, "there is nothing above"


def test_arrows_and_clicks_move_the_handle_that_was_named():
    made = explorer(keys="ArrowLeft End", label="a bar")
    made.arrows = "bits"
    for message, bits in (({"key": "ArrowLeft"}, 3), ({"key": "End"}, 8), ({"cell": 0}, 2),
                          ({"cell": 99}, 8)):
        made.touched(message)
        assert made.controls["bits"].value == bits and made.finding.startswith(f"{bits} bits")


def test_an_exhibit_with_a_task_has_a_line_that_tells_and_can_show_a_later_table():
    run = Button("run", "Run", "Begin", lambda: None, task=True)
    made = staged([slider("bits", "bits", 7, 2, 8)], draw, buttons=[run])
    assert made.status in made.children and "As table" in made.buttons and not made.working
    assert explorer().status not in explorer().children


@pytest.mark.parametrize(("key", "here", "there"),
                         [("ArrowLeft", 3, 2), ("ArrowRight", 3, 4), ("ArrowLeft", 0, 0), ("ArrowDown", 6, 6),
                          ("Home", 3, 0), ("End", 3, 6), ("x", 3, 3)])
def test_keys_walk_a_list_and_stop_at_its_ends(key, here, there):
    assert along(key, here, 7) == there


@pytest.mark.parametrize(("key", "here", "there"),
                         [("ArrowRight", (0, 2), (1, 0)), ("ArrowLeft", (1, 0), (0, 2)),
                          ("ArrowLeft", (0, 0), (0, 0)), ("ArrowRight", (2, 1), (2, 1)),
                          ("ArrowDown", (0, 2), (1, 0)), ("ArrowUp", (2, 1), (1, 0)),
                          ("Home", (0, 2), (0, 0)), ("End", (2, 0), (2, 1))])
def test_keys_walk_a_grid_of_unequal_rows(key, here, there):
    assert across(key, *here, (3, 1, 2)) == there


def test_page_keys_can_go_round():
    assert turned("PageUp", "c", "abc", around=True) == "a"
    assert turned("PageUp", "c", "abc") == "c"
    assert turned("PageUp", "c", "abc", up=-1) == "b"


def test_a_menu_and_its_slider_follow_each_other_and_one_move_draws_once():
    drawn, sizes = [], {"small": 2, "large": 8, "free": None}
    made = staged([menu("name", "name", "free", sizes), slider("size", "size", 4, 0, 9)],
                 lambda name, size: drawn.append((name, size)) or page(90, [], finding=f"{name} {size}"),
                 presets={"Large": {"name": "large"}}, links={"name": Link("size", sizes.get, "free")})
    drawn.clear()
    made.controls["name"].value = "small"
    assert drawn == [("small", 2)]
    made.controls["size"].value = 5
    assert drawn[1:] == [("free", 5)]
    made.buttons["Large"].click()
    assert made.values() == {"name": "large", "size": 8} and len(drawn) == 3


def test_a_panel_shows_what_holds_for_the_picture_and_stands_beside_the_table():
    made = explorer(panels={"As code": Panel("The call", lambda values: f"<pre>bits={values['bits']}</pre>")})
    made.buttons["As code"].value = True
    made.controls["bits"].value = 6
    assert made.opened.value == "<pre>bits=6</pre>"
    made.buttons["As table"].value = True
    assert "bits=6" in made.opened.value and "<td>6</td>" in made.words.value


def test_pieces_of_html_stand_in_rows_above_and_below_the_picture_and_guests_at_the_end():
    made = staged([slider("bits", "bits", 4, 2, 8)], first=page(90, [], finding="nothing yet"),
                 form_first=True, pieces=("above", "beneath"), rows=[["bits"], ["above"]],
                 buttons=[Button("last", "Last", "Below all", lambda: None)], below=[["last"], ["beneath"]])
    stands = list(made.children).index
    assert stands(made.pieces["above"]) < stands(made.view) < stands(made.pieces["beneath"])
    made.reveal("above", False)
    assert made.pieces["above"].layout.display == "none"
    first, second = Stage(show(draw(3))), Stage(show(draw(4)))
    made.host(first)
    made.host(second)
    assert first not in made.children and made.children[-1] is second
    made.host()
    assert second not in made.children


def test_the_table_of_an_exhibit_that_waits_for_a_button_is_offered_once_there_is_one():
    made = staged(first=page(90, [], finding="nothing yet"),
                 buttons=[Button("run", "Run", "Begin", lambda: None, task=True)])
    assert made.buttons["As table"].layout.display == "none"
    made.show(draw(4))
    assert made.buttons["As table"].layout.display == ""


def test_what_takes_long_follows_when_the_hand_has_rested():
    drawn, made = [], explorer(rough=rough)
    made.exhibit = replace(made.exhibit, draw=lambda **values: drawn.append(values) or draw(**values))

    async def drag() -> None:
        for bits in (5, 6):
            made.controls["bits"].value = bits
            assert made.finding == f"{bits} bits, roughly" and drawn == []
        await asyncio.sleep(3 * SETTLED)
        assert made.finding == "6 bits of 4.0 GiB" and len(drawn) == 1
        made.controls["bits"].value = 5
        made.set(bits=4)                                    # a preset does not wait, and nothing follows it
        assert made.finding == "4 bits of 4.0 GiB"
        await asyncio.sleep(3 * SETTLED)

    asyncio.run(drag())
    assert len(drawn) == 2
    made.controls["bits"].value = 8                         # no kernel waits for the next move
    assert made.finding == "8 bits of 4.0 GiB"
