"""Floor 4, the oracles: llama.cpp's own planner on a virtual card and hollow files, for tests, benches and
those who ask.
"""
