"""Write quantlab/data/tiny/experts.json: what wakes the experts of the small mixture in a text that it never
saw.

    python -m tools.record_experts

A test counts a part of it again.
"""

import json
from datetime import date

import quantlab as ql
from quantlab.exhibits.experts import MIXTURE, RECORD
from quantlab.inference.experts import OFTEN, habits
from quantlab.inference.quality import perplexity
from quantlab.inference.recital import count_recited
from quantlab.models.digests import sha256
from quantlab.models.source import BUNDLED

CHUNKS = 64


def main() -> None:
    lm, text = ql.load_lm(MIXTURE), ql.held_out_text()
    found, measured = habits(lm, text, chunks=CHUNKS), perplexity(lm, text, chunks=CHUNKS, progress=None)
    rows = [[one.layer, one.expert, round(one.share, 4),
             [[token, round(often, 3)] for token, often in one.tokens]] for one in found.habits]
    made = {"about": "tools/record_experts.py: layer, expert, share of all tokens that wake it, and the "
                     "tokens that make up most of its work and wake it at half of their places or more; "
                     f"usual: at how many places a token that stands there {OFTEN} times or more wakes "
                     "what it wakes most often; by_chance: had it the experts of another place",
            "date": f"{date.today():%Y-%m-%d}", "sha256": sha256(BUNDLED[MIXTURE]), "chunks": CHUNKS,
            "tokens": CHUNKS * 256, "ppl": round(measured.ppl, 3), "recited": count_recited(lm)[True][0],
            "usual": [round(share, 4) for share in found.usual],
            "by_chance": [round(share, 4) for share in found.by_chance], "habits": rows}
    lines = json.dumps(made, ensure_ascii=False).replace("]]], [", "]]],\n[")
    RECORD.write_text(lines + "\n", encoding="utf-8")
    print(lines[:900])


if __name__ == "__main__":
    main()
