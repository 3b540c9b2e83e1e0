"""Floor 4, inference: a language model in NumPy, and how its quality changes when it is quantized."""
