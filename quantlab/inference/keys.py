"""The keys by which a file describes its graph: each is read once, checked, and crossed off; a key that
nobody asked for is refused, since a model that ignored it would be another one than the file describes.

    keys = Keys("model.gguf", metadata)
    keys.whole("block_count"), keys.number("rope.freq_base", 10000.0)
    keys.demand_all_read()
"""

from collections.abc import Mapping

import numpy as np

from ..models.architecture import LARGEST
from ..models.gguf_cursor import GGUFArray, shown
from ..models.loadable import NEUTRAL
from ..models.metadata import KEYS

#: Keys that say nothing about the numbers of a text model, whatever they hold.
SILENT = ("vocab_size", "tensor_data_layout", "rope.scaling.finetuned")
PARTS = ("vision.", "mm.", "audio.")            # of encoders of pictures and sounds, which are loaded apart


class Keys:
    """The keys `<architecture>....` of a file.  name: the model's, for the words of errors.

    Every method takes the key without the architecture, and the value where the file does not say; without
    one it must say.  ValueError names the key, what it is, and what it may be.
    """

    def __init__(self, name: str, metadata: Mapping[str, object]):
        self.name, self.prefix = name, f"{metadata.get('general.architecture')}."
        self._left = {key.removeprefix(self.prefix): value for key, value in metadata.items()
                      if key.startswith(self.prefix)}

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def number(self, key: str, default: float | None = None, *, positive: bool = True) -> float:
        """A finite number, above 0 unless positive is False (then 0 too)."""
        value = self._take(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not np.isfinite(value):
            raise self._wrong(key, value, "a number is needed")
        if value < 0 or (value == 0 and positive):
            raise self._wrong(key, value, "it must be above 0" if positive else "it cannot be below 0")
        return float(value)

    def whole(self, key: str, default: int | None = None, *, least: int = 1, most: int = LARGEST) -> int:
        """A whole number from `least` to `most`; one that is given for each layer must be the same in all."""
        value = self._take(key, default)
        if isinstance(value, GGUFArray | list | tuple):
            if len(value) > most:
                raise self._wrong(key, value, "it has too many numbers")
            values = {int(n) for n in (value.decode() if isinstance(value, GGUFArray) else value)}
            if len(values) != 1:
                words = f"from {min(values)} to {max(values)}" if values else "and empty"
                raise ValueError(f"{self.prefix}{key} of {self.name} is given for each layer, {words}; only "
                                 "models of equal layers can be run here")
            (value,) = values
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(key, value, "a whole number is needed")
        if not least <= value <= most:
            raise self._wrong(key, value, f"it must be from {least} to {most}")
        return value

    def count(self, field: str, default: int | None = None, *, least: int = 1, most: int = LARGEST) -> int:
        """The same, by the name that `Architecture` has for the number."""
        return self.whole(KEYS[field], default, least=least, most=most)

    def word(self, key: str, default: str, known: tuple[str, ...]) -> str:
        """One of the words that are known."""
        value = self._take(key, default)
        if value not in known:
            raise self._wrong(key, value, f"known are {', '.join(known)}")
        return str(value)

    def switch(self, key: str, default: bool) -> bool:
        """True or False."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "True or False is needed")
        return value

    def skip(self, *keys: str) -> None:
        """These say nothing here."""
        for key in keys:
            self._left.pop(key, None)

    def demand_all_read(self) -> None:
        """ValueError for a key that nobody asked for, unless it changes nothing."""
        for key, value in self._left.items():
            neutral = key in NEUTRAL and not isinstance(value, GGUFArray) and value == NEUTRAL[key]
            if not (key in SILENT or neutral or key.startswith(PARTS)):
                raise ValueError(f"{self.name} says {self.prefix}{key} = {shown(value)}, which is not known "
                                 "of a model of this architecture here: without it another model would run")

    def _take(self, key: str, default):
        value = self._left.pop(key, default)
        if value is None:
            raise ValueError(f"{self.name} does not say {self.prefix}{key}, without which it cannot run")
        return value

    def _wrong(self, key: str, value, words: str) -> ValueError:
        return ValueError(f"{self.prefix}{key} of {self.name} is {shown(value)}; {words}")
