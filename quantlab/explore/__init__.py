"""Floor 4, explorers: a control bound to a view. The only room that knows ipywidgets."""
