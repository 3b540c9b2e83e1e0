// Questions a test asks the page: `look.*` is added to every page the harness opens.
window.look = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const cells = () => [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const visible = (e) => e.offsetParent !== null;

  // Another notebook in the same window; and none, with their kernels stopped and nothing saved.
  const open = async (path) => { await window.jupyterapp.commands.execute("docmanager:open", { path }); };
  const closeAll = async () => {
    for (const widget of [...window.jupyterapp.shell.widgets("main")].filter((e) => e.context)) {
      widget.context.model.dirty = false;
      await widget.context.sessionContext.shutdown();
      widget.dispose();
    }
    await window.jupyterapp.commands.execute("apputils:change-theme", { theme: "JupyterLab Light" });
  };

  // What the eye sees in an explorer, as one string to compare.
  const signature = (root) => all("svg, img, canvas, pre", root).map((e) =>
    e.tagName === "CANVAS" ? e.toDataURL() : e.tagName === "IMG" ? e.src : e.outerHTML).join("|");

  // Make the code cell with these words the notebook's active one; `instead` replaces them, as a learner's typing would.
  const choose = (words, instead = words) => {
    const index = cells().findIndex((cell) => cell.type === "code" && cell.sharedModel.getSource().includes(words));
    const source = cells()[index].sharedModel;
    source.setSource(source.getSource().replace(words, instead));
    window.jupyterapp.shell.currentWidget.content.activeCellIndex = index;
  };

  // [kind, source] of each cell; whether the exhibit of cell number i stands.
  const sources = () => cells().map((cell) => [cell.type, cell.sharedModel.getSource()]);
  const stands = (i) => Boolean(window.jupyterapp.shell.currentWidget.content.widgets[i].node.querySelector(".ql-explorer .ql-live"));
  const idle = () => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === "idle";
  // Whether the page, too, knows its kernel.
  const connected = () => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.connectionStatus === "connected";
  const outputs = () => cells().flatMap((cell) => cell.type === "code" ? cell.outputs.toJSON() : []);
  const busy = () => all(".jp-InputPrompt").some((e) => e.textContent.includes("*"));

  // All widgets that the notebook's outputs announce are drawn, and each explorer has its live region.
  const widgetsStand = () => {
    const announced = outputs().filter((o) => o.data && "application/vnd.jupyter.widget-view+json" in o.data).length;
    return all(".jp-OutputArea-output > .jupyter-widgets").length >= announced
      && all(".ql-explorer").every((e) => e.querySelector(".ql-live"));
  };

  // Handles, lists, boxes and buttons that a screen reader could not name.
  const unnamed = () => all(".ql-explorer")
    .flatMap((e) => all(".noUi-handle, select, input, textarea, button", e)).filter(visible)
    .filter((e) => !(e.getAttribute("aria-label") || (e.matches("button") && e.textContent.trim())))
    .map((e) => e.outerHTML.slice(0, 200));

  // The kernel takes one thing after the other: when it is done with nothing at all, it is done with what was sent before.
  const answered = async () => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    await kernel.requestExecute({ code: "", silent: true, store_history: false }).done;
    await new Promise((painted) => requestAnimationFrame(() => setTimeout(painted, 50)));
  };

  // Words that a learner cannot read: those of a drawing that reach beyond its edge, and labels longer than their place.
  const cutLabels = () => all(".ql-explorer .widget-label").filter(visible)
    .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent);
  const cutWords = () => cutLabels().concat(all(".ql-view svg").flatMap((svg) => {
    const frame = svg.getBoundingClientRect();
    const inside = (box) => box.left > frame.left - 1 && box.right < frame.right + 1
      && box.top > frame.top - 1 && box.bottom < frame.bottom + 1;
    return all("text", svg).filter((e) => e.getBoundingClientRect().width)
      .filter((e) => !inside(e.getBoundingClientRect())).map((e) => e.textContent);
  }));

  // Ids that two drawings share: the second would borrow its hatching from the first, which may be off the screen.
  const sharedIds = () => {
    const ids = all(".ql-view svg [id]").map((e) => e.id);
    return ids.filter((id, i) => ids.indexOf(id) !== i);
  };

  // Boxes in and around exhibits that scroll: a scrollbar of one's own takes room and hides something.
  const scrolling = () => all(".jp-OutputArea-output, .ql-explorer, .ql-explorer *").filter(visible)
    .filter((e) => !e.matches("select, select *, svg *, .ql-live, textarea, .widget-readout, .widget-label, button, input"))
    .filter((e) => [["overflowY", e.scrollHeight - e.clientHeight], ["overflowX", e.scrollWidth - e.clientWidth]]
      .some(([way, over]) => over > 0 && ["auto", "scroll"].includes(getComputedStyle(e)[way])))
    .map((e) => [...e.classList].find((name) => name.startsWith("ql-")) || e.className);

  // Height of the scroller's window, and where the last cell ends in what it scrolls.
  const extent = (e) => [e.clientHeight, e.scrollTop - e.getBoundingClientRect().top - 60
    + Math.max(...all(".jp-Cell", e).map((cell) => cell.getBoundingClientRect().bottom))];

  const savedPictures = () => all(".jp-OutputArea-output img").filter((e) => e.naturalWidth > 300).length;

  // Latency: from the next `event` in the page to the first painted frame in which the explorer looks different.
  let clock = null;
  const arm = (root, event) => {
    const before = signature(root);
    clock = { start: null, painted: null };
    const mine = clock;
    document.addEventListener(event, () => { mine.start = performance.now(); }, { capture: true, once: true });
    const watch = new MutationObserver(() => {
      if (mine.start === null || signature(root) === before) return;
      watch.disconnect();
      requestAnimationFrame(() => {          // a task posted in the frame runs after that frame is painted
        const after = new MessageChannel();
        after.port1.onmessage = () => { mine.painted = performance.now(); };
        after.port2.postMessage(0);
      });
    });
    watch.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
  };
  const latency = () => (clock.painted === null ? null : clock.painted - clock.start);

  return { open, closeAll, signature, choose, connected, idle, sources, stands, outputs, busy, widgetsStand, answered, unnamed, cutWords, sharedIds, extent, scrolling, savedPictures, arm, latency };
})();
