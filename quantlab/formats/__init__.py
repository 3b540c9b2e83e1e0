"""Floor 1, the bytes: each ggml tensor type as numbers in, blocks out, and back. Lessons: 03, 04, 05."""
