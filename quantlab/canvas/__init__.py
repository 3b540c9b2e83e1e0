"""Floor 3, the canvas: shapes that two exhibits use, as pure functions from numbers to SVG text."""
