"""Floor 2, pictures: pure functions from plain values to an SVG `Picture`. They draw what they are given, never compute it."""
