"""Floor 4, the lab: the only room that talks to a server. Tags, comparisons, custom models, and runs recorded
earlier.
"""
