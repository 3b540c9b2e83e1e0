"""Write quantlab/data/tiny/recital.json: what the tiny Llama recites in every type of the slider, for outputs
that must repeat.

    python -m tools.record_tiny

The file belongs to one tiny.gguf, whose SHA-256 it carries; for any other the explorer recites by itself. A
test makes it again and compares.
"""

import json
from datetime import date

from quantlab.exhibits.recital import RECORD, record_recitals
from quantlab.inference.in_types import ModelInTypes


def main() -> None:
    made = {
        "about":
        "tools/record_tiny.py: for each type, a row per passage of passages.json: tokens right before the "
        "first wrong one, and what was written", "date": f"{date.today():%Y-%m-%d}",
        **record_recitals(ModelInTypes("tiny"), print)}
    RECORD.write_text(json.dumps(made, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{RECORD.name}: {RECORD.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
