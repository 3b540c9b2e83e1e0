"""An exhibit as HTML: first picture, real handles, buttons, the finding that is read out, the table.

Without a script the reader has the first picture and its words; `site.js` shows the handles and moves them.
"""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from quantlab.words import prose

from .shown import Axis, Shown

LINK = ('<button type="button" data-link title="Copies an address that opens this page at this picture">'
        "Link to this picture</button>")
TOGGLE = '<button type="button" aria-expanded="false" title="{}" {}>{}</button>'


def player(shown: Shown, name: str, targets: str = "") -> str:
    """The exhibit as a `<figure>` whose id is `name`, such as "explore_llama": a link may lead there.

    targets: what there is to try, as HTML (`asked.targets`).
    """
    label, first = escape(name.removeprefix("explore_").replace("_", " ")), shown.first
    note = f'<p class="ql-note">{prose(shown.note)}</p>' if shown.note else ""
    return (f'<figure class="ql-play" id="{name}" aria-label="{label}"{_data(shown)}>'
            f'<div class="ql-scroll" tabindex="0" role="region" aria-label="{label}: the picture">'
            f'<div class="ql-frame" style="max-width:{first.width}px;aspect-ratio:{first.width}/'
            f'{shown.height}">{first.svg}</div></div>'
            f'<p class="ql-live" aria-live="polite"></p><p class="ql-status" hidden></p>'
            f'<div class="ql-handles" role="group" aria-label="{label}" hidden>'
            f'{"".join(map(_handle, shown.axes))}<div class="ql-buttons">{_buttons(shown)}</div></div>{note}'
            f'<div class="ql-opened" hidden></div><div class="ql-shown" hidden></div>{targets}'
            + (f'<script type="text/plain">{shown.packed}</script>' if shown.packed else "") + "</figure>")


def _data(shown: Shown) -> str:
    """What the page's script is told, as attributes."""
    told: Mapping[str, Any] = {
        "axes": [{"name": axis.name, "words": axis.words, "values": axis.values, "first": axis.first}
                 for axis in shown.axes],
        "links": shown.links}
    said = {name: json.dumps(value, ensure_ascii=False) for name, value in told.items() if value}
    said |= {"call": shown.call, "owner": shown.owner} if shown.call else {}
    return "".join(f' data-{name}="{escape(value)}"' for name, value in said.items())


def _buttons(shown: Shown) -> str:
    presets = "".join(f'<button type="button" data-to="{escape(json.dumps(stops))}">{escape(words)}</button>'
                      for words, stops in shown.presets.items())
    panels = "".join(TOGGLE.format(escape(tip), f'data-panel="{escape(words)}"', escape(words))
                     for words, tip in shown.panels.items())
    table = TOGGLE.format("The same facts in words and numbers", "data-table", "As table")
    return (f'{presets}<button type="button" data-reset>Reset</button>{panels}'
            f'{table if shown.first.table else ""}{LINK}')


def _handle(axis: Axis) -> str:
    label = f"<span>{escape(axis.label)}</span>"
    if axis.kind in ("menu", "check"):
        options = "".join(f'<option value="{i}"{" selected" * (i == axis.first)}>{escape(words)}</option>'
                          for i, words in enumerate(axis.words))
        return f"<label>{label}<select>{options}</select></label>"
    if not axis.values:
        return (f'<label>{label}<input type="text" value="{escape(axis.first)}" autocomplete="off" '
                'spellcheck="false"></label>')
    return (f'<label>{label}<input type="range" min="0" '
            f'max="{len(axis.values) - 1}" value="{axis.first}" '
            f'aria-valuetext="{escape(axis.words[axis.first])}">'
            f"<output>{escape(axis.words[axis.first])}</output></label>")
