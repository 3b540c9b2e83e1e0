"""The learner's machine: memory, processor cores, graphics cards. Asks the system, never raises; unknown means unknown."""

import platform
import shutil
import subprocess
from dataclasses import dataclass

import psutil

from ..profile import is_reference

MIB, GIB = 2**20, 2**30


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
    share = apple_share(total, _wired_limit())
    return (Gpu("Apple unified memory, the GPU's share", share, min(free, share)),)


def apple_share(total: int, wired_limit_mb: int = 0) -> int:
    """Bytes of Apple's unified memory that the GPU may use: what `iogpu.wired_limit_mb` says, else macOS's default.

    The default is Metal's recommendedMaxWorkingSetSize: two thirds up to 36 GiB (10.67 of 16 on an M4, github:exo-explore/exo pull 1672),
    three quarters above (github:gpustack/gpustack issue 1375). Newer systems give more: 11.84 of 16 (github:AlexsJones/llmfit pull 754)
    and 107.5 of 128 (github:antirez/ds4 pull 893) were reported, so this is the safe side.
    """
    return wired_limit_mb * MIB if wired_limit_mb else total * 2 // 3 if total <= 36 * GIB else total * 3 // 4


def _wired_limit() -> int:
    """MiB that the owner set with `sysctl iogpu.wired_limit_mb`; 0 when nothing was set or nothing answers."""
    try:
        answer = subprocess.run(["sysctl", "-n", "iogpu.wired_limit_mb"], capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    return int(answer) if answer.strip().isdigit() else 0
