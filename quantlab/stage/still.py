"""What stays of an exhibit where its kernel is gone: a still, saved in front of the living view.

A notebook keeps two outputs for each exhibit: the still, which is HTML, and the view, which a kernel drives.
While the view lives it hides the still; a dead view (after a restart, or in a notebook that was opened again,
where JupyterLab says "model not found") hides itself. An exported page shows the still with its alternative
text.
"""

import base64
from html import escape

from ..canvas.style import WIDTH

ALIVE = ".ql-explorer:not(.jupyter-widgets-disconnected)"
OUTPUT = ".jp-OutputArea-child"
STYLE = (f"{OUTPUT}:has(.ql-still):has(+ {OUTPUT} {ALIVE}),"
         f"{OUTPUT}:has(.ql-still) + {OUTPUT}:not(:has({ALIVE})){{display:none}}"
         ".ql-still{margin:0}.ql-still img{max-width:100%}"
         ".ql-still figcaption{opacity:.75;font-size:13px;margin:2px 16px}")
ASLEEP = "This is a picture. To move it, run this cell: click on its code, then Shift+Enter."
SILENT = "To answer, run this cell: click on its code, then Shift+Enter."


def figure(body: str, caption: str) -> str:
    """The still as HTML.  body: already escaped.  caption: how to wake it."""
    return (f'<style>{STYLE}</style><figure class="ql-still">{body}'
            f"<figcaption>{escape(caption)}</figcaption></figure>")


def picture_html(png: bytes, alt: str, width: int = WIDTH) -> str:
    """A picture with what it says in words, for those who do not see it."""
    data = base64.b64encode(png).decode()
    return f'<img width="{width}" alt="{escape(alt)}" src="data:image/png;base64,{data}">'
