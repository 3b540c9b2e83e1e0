"""The oracle's own process: reads one question as JSON, answers in JSON, and may crash without taking anybody
along.

    echo '{"path": "model.gguf", "vram": [8589934592], "n_gpu_layers": null, "settings": [{...}]}' | python -m
    quantlab.oracles.child
"""

import json
import sys


def answer(question: dict) -> dict:
    """{"measured": [one breakdown for each setting, or {"refused": words}]}, or {"refused": words} for the
    whole question.
    """
    from .llama_library import LayoutError, Library, Refused

    try:
        library = Library(question["vram"])
        model = library.load(question["path"], question["n_gpu_layers"])
    except (LayoutError, Refused) as error:
        return {"refused": str(error)}
    measured = []
    for settings in question["settings"]:
        try:
            measured.append(library.measure(model, settings))
        except Refused as error:
            measured.append({"refused": str(error)})
    library.free(model)
    return {"measured": measured}


if __name__ == "__main__":
    json.dump(answer(json.load(sys.stdin)), sys.stdout)
