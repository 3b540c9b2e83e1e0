"""Running a model: its tokenizer, its forward pass in NumPy, and the text it writes."""
