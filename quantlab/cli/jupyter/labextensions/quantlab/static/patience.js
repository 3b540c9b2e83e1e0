// An extension of JupyterLab, by hand: what is run before its kernel is there waits for it.
// JupyterLab shows a notebook before its kernel is connected, and forgets without a word what is run in that second.
const RUN_ALL = ["notebook:run-all-cells", "runmenu:run-all"];
const RUN_ONE = ["notebook:run-cell", "notebook:run-cell-and-select-next", "runmenu:run"];

const connected = (context) => context.session?.kernel?.connectionStatus === "connected" && !context.hasNoKernel;

async function wait_for_kernel(context) {
  await context.ready;
  for (let tries = 0; tries < 600 && !connected(context); tries += 1) {
    await new Promise((done) => setTimeout(done, 100));
  }
  return connected(context);
}

const plugin = {
  id: "quantlab:patience",
  autoStart: true,
  activate: (app) => {
    const waiting = new WeakSet();
    app.commands.commandExecuted.connect(async (_, { id }) => {
      const panel = app.shell.currentWidget, context = panel?.sessionContext;
      if (!context || connected(context) || waiting.has(panel) || !(RUN_ALL.includes(id) || RUN_ONE.includes(id))) return;
      const cell = panel.content.activeCellIndex;
      const ran = RUN_ONE.includes(id) && id !== "notebook:run-cell" ? Math.max(cell - 1, 0) : cell;
      waiting.add(panel);
      const there = await wait_for_kernel(context);
      waiting.delete(panel);
      if (!there || panel.isDisposed) return;
      if (RUN_ALL.includes(id)) { await app.commands.execute("notebook:run-all-cells"); return; }
      panel.content.activeCellIndex = ran;
      await app.commands.execute(id);
    });
  },
};

window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB.quantlab = { init: () => {}, get: () => Promise.resolve(() => ({ __esModule: true, default: plugin })) };
