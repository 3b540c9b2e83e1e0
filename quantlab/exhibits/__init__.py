"""Floor 5, the exhibits: one file each, in the order facts, words, picture, handles. Pictures come from pure
functions; handles are data.
"""
