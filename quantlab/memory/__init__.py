"""Floor 4, memory: how many bytes a model needs, and whether they fit."""
