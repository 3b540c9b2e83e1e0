"""What a real card answered (`benchmarks.real_card`), held against the estimate and the planner.

    python -m benchmarks.card_results FOLDER/questions.json ANSWERS [NAME]

Writes benchmarks/results/NAME.json: the card, its driver, every case with its bytes, and how many are the
estimate's and the planner's to the byte. `tests/memory/test_real_card.py` asks the estimate again.
"""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.card_cases import ALL, NO_FUSION
from benchmarks.run import RESULTS
from quantlab.memory.estimate import planned
from quantlab.memory.fit import bytes_on_cards
from quantlab.memory.settings import Settings
from quantlab.memory.weights import weights_of
from quantlab.oracles.llama_library import PINNED
from quantlab.oracles.planner import measure_all

CARD = 2**36                # bytes of each where there are several: only their ratio matters
USUAL = Settings().as_dict()
PARTS = ("weights", "kv_cache", "compute")


def cards_of(buffers: dict) -> list[list[int]]:
    """Weights, KV cache and compute buffer of each card."""
    names = sorted(name for name in buffers if name.startswith("CUDA") and name != "CUDA_Host")
    return [[buffers[name][part] for part in PARTS] for name in names]


def cases(asked: list[dict], answers: dict[str, dict]) -> list[dict]:
    """One for each setting that was answered, in words that fit a line."""
    found = []
    for question in asked:
        for load, told in zip(question["loads"], answers[question["id"]]["loads"], strict=True):
            for settings, one in zip(load["settings"], told["measured"], strict=True):
                unusual = {key: value for key, value in settings.items() if value != USUAL[key]}
                case = {"model": question["model"], "ftype": question["ftype"], "settings": unusual}
                if question["env"]:
                    case["env"] = question["env"]
                if "refused" in one:
                    found.append(case | {"refused": one["refused"]})
                    continue
                found.append(case | {"cards": cards_of(one["plan"])} | _life(one, answers[question["id"]]))
    return found


def _life(one: dict, answer: dict) -> dict:
    """Of buffers that were made and used: whether use changed them, and the bytes in use besides them, the
    driver's reserve apart: when the context was made, and after computing.
    """
    if "steps" not in one:
        return {}
    buffers = sum(map(sum, cards_of(one["plan"])))
    beside = [one["steps"][step] - answer["steps"]["nobody"] - buffers for step in ("context", "tokens")]
    return {"beside": beside} | ({"changed": cards_of(one["after"])} if "after" in one else {})


def estimated(case: dict) -> list:
    """What the estimate says of the cards; of several cards their sums."""
    shape, settings = ALL[case["model"]], Settings(**case["settings"])
    weights = weights_of(shape, case["ftype"])
    if len(case["cards"]) > 1:
        return bytes_on_cards(shape, weights, settings, [CARD] * len(case["cards"]))
    made = planned(shape, weights, settings, case["ftype"])
    return [[made.weights, made.kv_cache, made.compute]]


def verdict(case: dict) -> str:
    """equal or other."""
    truth = case["cards"] if len(case["cards"]) == 1 else list(map(sum, case["cards"]))
    return "equal" if estimated(case) == truth else "other"


def planner_agrees(found: list[dict]) -> Counter:
    """How many of the cases the planner says, to the byte, on virtual cards."""
    said: Counter = Counter()
    keys = [(case["model"], case["ftype"], len(case["cards"])) for case in found]
    for key in dict.fromkeys(keys):
        name, ftype, n_cards = key
        mine = [case for case, its in zip(found, keys, strict=True) if its == key]
        vram = [CARD] * n_cards if n_cards > 1 else [2**42]
        settings = [Settings(**case["settings"]) for case in mine]
        for case, told in zip(mine, measure_all(ALL[name], ftype, settings, vram=vram), strict=True):
            said["equal" if cards_of(told.buffers) == case["cards"] else "other"] += 1
    return said


def _beside(found: list[dict]) -> dict[str, list[float]]:
    """MiB that a process has on the card besides its buffers and the driver's reserve, least and most, while
    512 tokens or fewer are computed at a time.
    """
    groups: dict[str, list[float]] = {}
    for case in found:
        if "beside" not in case or case["settings"].get("n_ubatch", 512) > 512:
            continue
        how = ("all kernels loaded at the start" if "CUDA_MODULE_LOADING" in case.get("env", {}) else
               "mixtures of experts" if ALL[case["model"]].n_expert else
               "16-bit weights" if case["ftype"] == "F16" else
               "flash attention" if case["settings"].get("flash_attention", True) else "no flash attention")
        groups.setdefault(how, []).append(round(case["beside"][1] / 2**20, 1))
    return {how: [min(sizes), max(sizes)] for how, sizes in groups.items()}


def main(questions: str, answers: str, name: str = "real_card") -> None:
    told = {one["id"]: one for one in map(json.loads, Path(answers).read_text().splitlines())}
    asked = [one for one in json.loads(Path(questions).read_text()) if one["id"] in told]
    first = next(told[one["id"]] for one in asked if one["alloc"])        # alone on the card
    found = cases(asked, told)
    plain = [case for case in found if case.get("env") != NO_FUSION and "refused" not in case]
    head = {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "card": first["card"],
            "driver": first["driver"], "total_bytes": first["total"],
            "reserved_by_the_driver_bytes": first["steps"]["nobody"],
            "cuda_context_bytes": first["steps"]["driver"] - first["steps"]["nobody"],
            "llama_cpp": f"build 11549, from the source package of xllamacpp {PINNED}",
            "n_cases": len(plain), "estimate": Counter(map(verdict, plain)), "planner": planner_agrees(plain),
            "lived": sum("beside" in case for case in plain),
            "changed_by_use": sum("changed" in case for case in plain),
            "beside_the_buffers_mib": _beside(plain)}
    lines = ",\n".join("  " + json.dumps(case) for case in plain)
    text = json.dumps(head, indent=1)[:-2] + ',\n "cases": [\n' + lines + "\n ]\n}\n"
    (RESULTS / f"{name}.json").write_text(text)
    print(json.dumps(head, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
