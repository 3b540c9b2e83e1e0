"""Floor 4, the stage: what all exhibits share. The only room that knows ipywidgets, anywidget and resvg."""
