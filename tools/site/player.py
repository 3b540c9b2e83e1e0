"""A walked exhibit as HTML: first picture, real handles, buttons, the finding that is read out, the table.

Without a script the reader has the first picture and its words; `site.js` shows the handles and moves them.
"""

import json
from html import escape

from quantlab.words import prose

from .frames import Axis, Frames


def player(frames: Frames, label: str) -> str:
    """The exhibit as a `<figure>`.  label: what a screen reader calls the group of its handles."""
    first, tallest = frames.first, max(one.height for one in frames.pictures)
    axes = [{"words": axis.words, "first": axis.first} for axis in frames.axes]
    presets = "".join(f'<button type="button" data-to="{",".join(map(str, stops))}">{escape(words)}</button>'
                      for words, stops in frames.presets.items())
    table = '<button type="button" data-table aria-expanded="false">As table</button>' if first.table else ""
    note = f'<p class="ql-note">{prose(frames.note)}</p>' if frames.note else ""
    told = escape(json.dumps(axes, ensure_ascii=False))
    return (f'<figure class="ql-play" aria-label="{escape(label)}" data-axes="{told}">'
            f'<div class="ql-scroll" tabindex="0" role="region" aria-label="{escape(label)}: the picture">'
            f'<div class="ql-frame" style="max-width:{first.width}px;aspect-ratio:{first.width}/{tallest}">'
            f"{first.svg}</div></div>"
            f'<p class="ql-live" aria-live="polite"></p>'
            f'<div class="ql-handles" role="group" aria-label="{escape(label)}" hidden>'
            f'{"".join(map(_handle, frames.axes))}<div class="ql-buttons">{presets}'
            f'<button type="button" data-reset>Reset</button>{table}</div></div>{note}'
            f'<div class="ql-shown" hidden></div>'
            f'<script type="text/plain">{frames.packed()}</script></figure>')


def _handle(axis: Axis) -> str:
    if axis.kind in ("menu", "check"):
        options = "".join(f'<option value="{i}"{" selected" * (i == axis.first)}>{escape(words)}</option>'
                          for i, words in enumerate(axis.words))
        return f"<label><span>{escape(axis.label)}</span><select>{options}</select></label>"
    return (f'<label><span>{escape(axis.label)}</span><input type="range" min="0" '
            f'max="{len(axis.values) - 1}" value="{axis.first}" '
            f'aria-valuetext="{escape(axis.words[axis.first])}">'
            f"<output>{escape(axis.words[axis.first])}</output></label>")
