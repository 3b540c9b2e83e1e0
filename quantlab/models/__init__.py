"""Floor 3, models: what a model is made of. The only room that opens model files and reads Ollama's local
store.
"""
