"""The learner's machine: memory, processor cores, graphics cards, and how fast it reads its main memory. Asks
the system, never fails over an answer; unknown means unknown.

Main memory: psutil. Cards, the first that knows one: NVIDIA's driver (nvidia-smi, which asks NVML), Linux's
amdgpu driver (sysfs), what Ollama wrote in its log when it started, Apple's share of unified memory. Or a
card of your choice: `my_machine(card="GeForce RTX 4060")`.
"""

import os
import platform
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from ..profile import is_reference
from ..words import whole
from .cards import ASSUMED, NO_CARD, UNITS, card_named
from .settings import is_amount

MIB, GIB = UNITS["MiB"], UNITS["GiB"]
MOST_GIB = 100_000
SYSFS = Path("/sys/class/drm")          # Linux: a folder for each card
LOG_BYTES = 2**20                       # the cards stand at the start of Ollama's log
NBYTES = 2**28                          # read_bandwidth: far more than any cache holds
PASSES = 6                              # the best one counts: the others were disturbed


@dataclass(frozen=True)
class Gpu:
    """A card: `name` as its driver calls it; total and free memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Machine:
    """What models run on. ram_bytes and ram_free_bytes: main memory; cores: physical ones where they are
    known.
    """

    os: str
    cores: int
    ram_bytes: int
    ram_free_bytes: int
    gpus: tuple[Gpu, ...] = ()


#: The machine of the reference profile, so that committed lessons repeat. Made up, of a common size.
REFERENCE = Machine("Reference", 8, 16 * GIB, 10 * GIB,
                    (Gpu("GeForce RTX 4060", 8 * GIB, 7 * GIB + GIB // 2),))


def my_machine(card: str | None = None, vram_gib: float | None = None) -> Machine:
    """This machine, or the fixed one under the reference profile; with a card of your choice in place of its
    own.

    card: a name of GPUS (its memory counts as free), or of CPUS for no card.  vram_gib: GiB of a card that is
    in no table.  Raises ValueError for an unknown card, with the nearest names, and for memory that cannot
    be.
    """
    machine = REFERENCE if is_reference() else _live()
    if vram_gib is not None:
        if not is_amount(vram_gib, 0, MOST_GIB):
            raise ValueError(f"vram_gib={vram_gib!r} is no amount of memory: give GiB of the card, such as 8 "
                             "or 24, or 0 for none")
        size = int(vram_gib * GIB)
    elif card is not None:
        size = card_named(card).vram_bytes
    else:
        return machine
    return replace(machine, gpus=(Gpu(card or f"a card of {vram_gib:g} GiB", size, size),) if size else ())


def card_or_assumed() -> Gpu:
    """This machine's largest card; where none was found, one of ASSUMED bytes whose name, NO_CARD, says so.
    """
    return max(my_machine().gpus, key=lambda gpu: gpu.total_bytes, default=Gpu(NO_CARD, ASSUMED, ASSUMED))


def _live() -> Machine:
    import psutil

    memory = psutil.virtual_memory()
    cards = nvidia_cards() or amd_cards() or ollama_cards() or apple_card(memory.total, memory.available)
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    return Machine(platform.system(), cores, memory.total, memory.available, cards)


def nvidia_cards() -> tuple[Gpu, ...]:
    """The cards that `nvidia-smi` lists; empty without a driver or when it does not answer in five seconds.
    """
    return parse_nvidia(_said("nvidia-smi", "--query-gpu=name,memory.total,memory.free",
                              "--format=csv,noheader,nounits"))


def _said(*command: str) -> str:
    """What a program prints; "" where there is none, or it fails, or gives no answer in five seconds."""
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=5,
                              check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def parse_nvidia(answer: str) -> tuple[Gpu, ...]:
    """Lines of "name, total MiB, free MiB"; a line that does not say numbers (a card in an error state) is
    left out.
    """
    cards = []
    for line in answer.splitlines():
        *name, total, free = ["", "", *(part.strip() for part in line.split(","))]
        if name[2:] and total.isdigit() and free.isdigit():
            cards.append(Gpu(", ".join(name[2:]), int(total) * MIB, int(free) * MIB))
    return tuple(cards)


def amd_cards(sysfs: Path = SYSFS) -> tuple[Gpu, ...]:
    """The cards of Linux's amdgpu driver, which tells bytes in mem_info_vram_total and mem_info_vram_used;
    empty elsewhere.

    A processor's own graphics with less than 2 GiB are left out.  Source: the Linux kernel's amdgpu
    documentation, "GPU memory usage".
    """
    cards = []
    for total in sorted(sysfs.glob("card*/device/mem_info_vram_total")):
        try:
            all_bytes, used = (int(total.with_name(name).read_text())
                               for name in (total.name, "mem_info_vram_used"))
            name = total.with_name("product_name")
            spoken = name.read_text(errors="replace").strip() if name.exists() else ""
        except (OSError, ValueError):
            continue
        if all_bytes >= 2 * GIB:
            cards.append(Gpu(spoken or "AMD graphics card", all_bytes, max(all_bytes - used, 0)))
    return tuple(cards)


def ollama_cards() -> tuple[Gpu, ...]:
    """The cards that Ollama found when it last started, from its log (macOS, Windows): free memory is that of
    then.
    """
    local = os.environ.get("LOCALAPPDATA")
    for path in (Path.home() / ".ollama" / "logs" / "server.log",
                 *([Path(local) / "Ollama" / "server.log"] if local else [])):
        try:
            with path.open("rb") as file:
                return parse_ollama(file.read(LOG_BYTES).decode("utf-8", "replace"))
        except OSError:
            continue
    return ()


def parse_ollama(log: str) -> tuple[Gpu, ...]:
    """Lines "inference compute" of an Ollama log (discover/types.go: LogDetails); the processor's own line is
    no card.
    """
    cards = []
    for line in log.splitlines():
        if 'msg="inference compute"' not in line:
            continue
        said = {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}
        total, free = _bytes(said.get("total", "")), _bytes(said.get("available", ""))
        if said.get("library") != "cpu" and total:
            cards.append(Gpu(said.get("description") or said.get("name") or "card", total,
                             min(free or 0, total)))
    return tuple(cards)


def _bytes(words: str) -> int | None:
    """22.0 GiB in bytes, rounded as it was written; None for anything else."""
    number, _, unit = words.partition(" ")
    known = re.fullmatch(r"\d{1,6}(\.\d{1,3})?", number) and unit in UNITS
    return int(float(number) * UNITS[unit]) if known else None


def apple_card(total: int, free: int) -> tuple[Gpu, ...]:
    """Apple silicon has one memory for everything; the GPU may use a share of it. Empty on other machines."""
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return ()
    share = apple_share(total, _wired_limit())
    return (Gpu("Apple unified memory, the GPU's share", share, min(free, share)),)


def apple_share(total: int, wired_limit_mb: int = 0) -> int:
    """Bytes of Apple's unified memory that the GPU may use: what `iogpu.wired_limit_mb` says, else macOS's
    default.

    The default is Metal's recommendedMaxWorkingSetSize: two thirds up to 36 GiB (10.67 of 16 on an M4,
    github:exo-explore/exo pull 1672), three quarters above (github:gpustack/gpustack issue 1375). Newer
    systems give more: 11.84 of 16 (github:AlexsJones/llmfit pull 754) and 107.5 of 128 (github:antirez/ds4
    pull 893) were reported, so this is the safe side.
    """
    return wired_limit_mb * MIB if wired_limit_mb else total * 2 // 3 if total <= 36 * GIB else total * 3 // 4


def _wired_limit() -> int:
    """MiB that the owner set with `sysctl iogpu.wired_limit_mb`; 0 when nothing was set or nothing answers.
    """
    answer = _said("sysctl", "-n", "iogpu.wired_limit_mb").strip()
    return int(answer) if answer.isdigit() else 0


def read_bandwidth(threads: int = 1, *, nbytes: int = NBYTES, passes: int = PASSES) -> float:
    """Bytes a second that this machine reads from main memory: measured, since no table has it.

    The best of some passes over `nbytes`: NumPy's largest of all numbers, which only reads. (McCalpin's
    STREAM copies; writing a token reads weights and writes next to nothing.)
    threads: read different parts at the same time (NumPy lets go of Python's lock); one thread may not reach
    all there is.  Raises ValueError for counts that cannot be.  Lesson: 14_speed_and_bandwidth.
    """
    for name, value, least in (("threads", threads, 1), ("nbytes", nbytes, 2**20), ("passes", passes, 1)):
        whole(name, value, least, 2**40)
    import numpy as np

    # ones: pages of zeros may all be the same page
    parts = np.array_split(np.ones(nbytes // 4, np.float32), threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as workers:
        for _ in range(passes):
            started = time.perf_counter()
            list(workers.map(np.max, parts))
            best = min(best, time.perf_counter() - started)
    return sum(part.nbytes for part in parts) / best
