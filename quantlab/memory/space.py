"""A buffer that is only planned: `Space`, in which results take a place and give it back.

    space = Space()
    a = space.take(1000)
    space.give(a)
    space.peak          # 1024: every place starts at a multiple of 128 bytes

A result goes into the smallest gap that is large enough; only when there is none does the buffer grow. So
gaps that nothing fits into cost memory, too: the peak is more than what lives at one time.  ggml:
ggml_dyn_tallocr_alloc and _free_bytes in ggml-alloc.c.
"""

Span = tuple[int, int]  # offset and bytes in the buffer
ALIGNMENT = 128  # of a CUDA buffer
ENDLESS = 2**62


class Space:
    """A buffer that is only planned. `peak`: the bytes it must have."""

    def __init__(self, alignment: int = ALIGNMENT):
        self.alignment = alignment
        self.gaps = [[0, ENDLESS]]  # [offset, bytes], by offset; the last one is the end of the buffer
        self.peak = 0

    def padded(self, nbytes: int) -> int:
        return -(-nbytes // self.alignment) * self.alignment

    def take(self, nbytes: int) -> Span:
        """A place (offset, bytes) for a result of `nbytes`: the smallest gap that holds it, of equal ones the
        last.
        """
        nbytes = self.padded(nbytes)
        best, gaps = -1, self.gaps
        for i in range(len(gaps) - 1):
            if gaps[i][1] >= nbytes and (best < 0 or gaps[i][1] <= gaps[best][1]):
                best = i
        gap = gaps[best]  # none found: the end of the buffer
        offset = gap[0]
        gap[0] += nbytes
        gap[1] -= nbytes
        if not gap[1]:
            del gaps[best]
        self.peak = max(self.peak, offset + nbytes)
        return offset, nbytes

    def give(self, *places: Span) -> None:
        """Give places back, one after the other; neighbouring gaps become one. A place of no bytes may leave
        a gap of no bytes, which is kept, as ggml keeps it.
        """
        for offset, nbytes in places:
            self._give(offset, offset + nbytes)

    def _give(self, start: int, end: int) -> None:
        gaps = self.gaps
        for i, gap in enumerate(gaps):
            if gap[0] + gap[1] == start:
                gap[1] += end - start
                if i + 1 < len(gaps) and end == gaps[i + 1][0]:
                    gap[1] += gaps.pop(i + 1)[1]
                return
            if gap[0] == end:  # no gap ends where the place starts, or it would have come before this one
                gap[0], gap[1] = start, gap[1] + end - start
                return
        behind = next((i for i, gap in enumerate(gaps) if gap[0] >= start), len(gaps))
        gaps.insert(behind, [start, end - start])
