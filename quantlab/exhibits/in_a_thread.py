"""An exhibit of a model in several types. A small model is quantized and read at once; a large one in a
thread, which says how far it is and can be cancelled.  Lessons: 00, 07.
"""

from dataclasses import replace
from threading import RLock

from ..canvas.style import Picture
from ..canvas.svg import notice
from ..inference.in_types import ModelInTypes
from ..inference.llama import LanguageModel
from ..models.progress import Cancelled, Progress
from ..stage.base import Stage
from ..stage.exhibit import Exhibit
from ..stage.handles import Button
from .measuring import SMALL_MODEL

STOPPED = "Stopped: nothing half-made is kept"
GO_ON = "Move a handle to begin again."


class InTypes(Stage):
    """`lm` is the model in its types, `large` whether it is drawn in a thread."""

    tells = True

    def __init__(self, model: ModelInTypes, exhibit: Exhibit):
        self.lm, self.lock, self.large = model, RLock(), model.n_weights >= SMALL_MODEL
        if self.large:
            cancel = Button("cancel", "Cancel", "Stop; nothing is left of what is not whole", self.stop)
            exhibit = replace(exhibit, first=_sentence(
                f"{model.title} is a large model", "It is quantized and read now, which takes a while."),
                buttons=[*exhibit.buttons, cancel])
        super().__init__(exhibit)
        if self.large:
            self.redraw()

    def in_type(self, qtype: str) -> LanguageModel:
        """The model in this type, made when it is first wanted. Raises Cancelled when the user stops it."""
        if not self.large:
            return self.lm.at(qtype, self.tell)
        return self.lm.at(qtype, self.tell, progress=self._heard, cancel=self.cancel)

    def heed(self) -> None:
        """Raises Cancelled when the user has pressed Cancel; between two steps of a large model."""
        if self.large and self.cancel.is_set():
            raise Cancelled(STOPPED)

    def redraw(self) -> None:
        """Draw: a small model at once, a large one in the thread, which looks at the handles again before it
        ends.
        """
        if not self.large:
            super().redraw()
        elif not self._held:
            with self.lock:
                if not self.working:
                    self.start(self._draw)

    def wait(self, seconds: float = 60) -> None:
        """Wait until nothing is being drawn."""
        if (thread := self.thread) is not None:
            thread.join(seconds)

    def _draw(self) -> None:
        while True:
            values, stopped = self.values(), False
            try:
                picture = self.exhibit.picture(values, self.facts)
            except Cancelled:
                picture, stopped = _sentence(STOPPED, GO_ON), True
            with self.lock:
                if stopped or values == self.values():
                    self.thread = None
                    self.tell("")
                    self.show(picture)
                    return

    def _heard(self, step: Progress) -> None:
        self.tell(str(step), True, step.done / max(step.total, 1))


def _sentence(words: str, more: str) -> Picture:
    """In place of a picture; its table says the same."""
    return replace(notice(words, more), table=(("what", "now"), (words, more)))
