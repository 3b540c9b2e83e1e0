"""Floor 1, the ideas: what a float is made of, and the simplest quantizers. Lessons: 01, 02."""
