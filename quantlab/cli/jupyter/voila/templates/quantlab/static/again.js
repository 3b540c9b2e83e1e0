// Where the machine is busy, Voila may say "model not found" of a widget that it finds a moment later. So each output keeps the id of
// its model, and what was not found is looked for again, for two minutes.
{
  const SOURCES = 'script[type="application/vnd.voila.cell-output+json"]', VIEW = "application/vnd.jupyter.widget-view+json";
  const id_in = (source) => JSON.parse(source.textContent).data?.[VIEW]?.model_id;
  const places = [...document.querySelectorAll(SOURCES)].map((source) => [source.parentElement, id_in(source)]).filter(([, id]) => id);

  async function show(node, id) {
    const manager = window.jupyterapp.widgetManager;
    const { luminoWidget } = await manager.create_view(await manager.get_model(id));
    node.textContent = "";
    luminoWidget.processMessage({ type: "before-attach" });
    node.appendChild(luminoWidget.node);
    luminoWidget.processMessage({ type: "after-attach" });
  }

  async function look(tries) {
    const manager = window.jupyterapp?.widgetManager;
    for (const [place, id] of places) {
      const node = [...place.children].find((child) => child.textContent === "Error displaying widget: model not found");
      if (node && manager?.has_model(id)) await show(node, id);
    }
    if (tries) setTimeout(look, 500, tries - 1);
  }
  look(240);
}
