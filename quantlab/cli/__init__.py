"""Floor 6, the door: what `python -m quantlab` and `make` call."""
