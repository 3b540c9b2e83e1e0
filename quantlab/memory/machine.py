"""The learner's machine: memory, processor cores, graphics cards. Asks the system, never raises; unknown means unknown."""

import platform
import shutil
import subprocess
from dataclasses import dataclass

import psutil

from ..profile import is_reference

MIB, GIB = 2**20, 2**30
APPLE_GPU_SHARE = 0.75     # of unified memory, what macOS lets the GPU use by default on machines above 36 GB; about 2/3 below


@dataclass(frozen=True)
class Gpu:
    """A card: `name` as its driver calls it; total and free memory in bytes."""

    name: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Machine:
    """What models run on. ram_bytes and ram_free_bytes: main memory; cores: physical ones where they are known."""

    os: str
    cores: int
    ram_bytes: int
    ram_free_bytes: int
    gpus: tuple[Gpu, ...] = ()


#: The machine of the reference profile, so that committed lessons repeat. Made up, of a common size.
REFERENCE = Machine("Reference", 8, 16 * GIB, 10 * GIB, (Gpu("GeForce RTX 4060", 8 * GIB, 7 * GIB + GIB // 2),))


def my_machine() -> Machine:
    """This machine, or the fixed one under the reference profile."""
    if is_reference():
        return REFERENCE
    memory = psutil.virtual_memory()
    return Machine(platform.system(), psutil.cpu_count(logical=False) or psutil.cpu_count() or 1, memory.total, memory.available,
                   nvidia_cards() or apple_card(memory.total, memory.available))


def nvidia_cards() -> tuple[Gpu, ...]:
    """The cards that `nvidia-smi` lists; empty without a driver or when it does not answer in five seconds."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    question = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, errors="replace", timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_nvidia(answer)


def parse_nvidia(answer: str) -> tuple[Gpu, ...]:
    """Lines of "name, total MiB, free MiB"; a line that does not say numbers (a card in an error state) is left out."""
    cards = []
    for line in answer.splitlines():
        *name, total, free = (part.strip() for part in line.split(",")) if line.count(",") >= 2 else ("", "", "")
        if total.isdigit() and free.isdigit():
            cards.append(Gpu(", ".join(name), int(total) * MIB, int(free) * MIB))
    return tuple(cards)


def apple_card(total: int, free: int) -> tuple[Gpu, ...]:
    """Apple silicon has one memory for everything; the GPU may use a share of it. Empty on other machines."""
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return ()
    share = APPLE_GPU_SHARE if total > 36 * GIB else 2 / 3
    return (Gpu("Apple unified memory, the GPU's share", int(total * share), min(free, int(total * share))),)
