"""What each method of rounding loses at the same bytes, as it was recorded with three models.

    recorded_methods("smollm2")             a pandas table, a row a file

tools/record_methods.py wrote a file for each row, opened it, and held it against the 16-bit weights on text
that calibration never saw.  Lesson: 18.
"""

import json
from functools import cache

from ..models.source import DATA
from ..words import one_of

FOLDER = DATA / "methods"
#: Name of a record -> the model, in words, and what its numbers are held against (made by
#: tools/off_the_grid.py where no 16-bit file was at hand).
MODELS = {"tiny": ("the tiny Llama", "its 16-bit weights"),
          "smollm2": ("SmolLM2-135M", "16-bit weights made from a Q4_1 file"),
          "gemma3": ("Gemma 3 270M", "16-bit weights made from a Q4_K_M file")}
#: What a calibration can have read -> in words; "" for methods that read nothing.
TEXTS = {"scenes": "scenes of Shakespeare", "code": "Python code"}
COLUMNS = ("ftype", "method", "calibration", "nbytes", "kld", "kld_se", "ppl", "ppl_se", "ln_ratio",
           "ln_ratio_se", "top1", "seconds", "memory_mb")


@cache
def methods_record(model: str) -> dict:
    """The record as it stands in the file.  ValueError for a model that there is none of."""
    name = one_of("record of methods", model, MODELS)
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def recorded_methods(model: str = "tiny"):
    """A pandas table of the files that each method of rounding wrote: KL divergence, perplexity and their
    standard errors, and what the writing took.

    model: "tiny", "smollm2" or "gemma3".  calibration: "scenes" of Shakespeare, other ones than those that
    are predicted, or "code".  seconds, memory_mb: of one core's time and of the writing process.
    `.attrs["provenance"]` says how it was measured, `.attrs["largest_columns"]` how large a share of the mean
    square of the inputs is in one column of a hundred, by role.  Raises ValueError for another name.
    """
    import pandas as pd

    record = methods_record(model)
    title, against = MODELS[model]
    table = pd.DataFrame(record["rows"], columns=list(COLUMNS))
    table.attrs |= {"model": title, "largest_columns": record["largest_columns"], "provenance": (
        f"Recorded on {record['date']} with {title} against {against}: {record['predicted']:,} predicted "
        f"tokens; calibrated on {record['calibrated'] * record['n_ctx']:,} others.")}
    return table
