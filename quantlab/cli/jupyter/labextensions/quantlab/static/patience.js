// An extension of JupyterLab, by hand: what is run before its kernel is there waits for it.
// JupyterLab shows a notebook before its kernel is connected. What is run in that second it forgets without a word, and it starts one
// more kernel, of which either may stay. So the executor of cells is ours: it waits, and then does what JupyterLab's own does.
const COMING = ["initializing", "connecting"];
const waits = new WeakMap();            // of a notebook's session: all its cells wait together, so they stay in order

async function wait_for_kernel(context) {
  for (let tries = 0; tries < 600 && COMING.includes(context.kernelDisplayStatus); tries += 1) {
    await new Promise((done) => setTimeout(done, 100));
  }
  waits.delete(context);
}

const patient = (runCell) => async (options) => {
  const { cell, sessionContext: context } = options;
  if (context && cell.model.type === "code" && (waits.has(context) || COMING.includes(context.kernelDisplayStatus))) {
    cell.model.executionState = "running";          // [*], until JupyterLab says otherwise
    if (!waits.has(context)) waits.set(context, wait_for_kernel(context));
    await waits.get(context);
    if (cell.isDisposed) return false;
  }
  return runCell(options);
};

const plugin = ({ INotebookCellExecutor, runCell }) => ({
  id: "quantlab:patience",
  autoStart: true,
  provides: INotebookCellExecutor,                  // package.json disables JupyterLab's own
  activate: () => ({ runCell: patient(runCell) }),
});

let shared = null;
window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB.quantlab = {
  init: (modules) => { shared = modules; },
  get: async () => {
    const [version] = Object.values(shared["@jupyterlab/notebook"]);
    const notebook = (await version.get())();
    return () => ({ __esModule: true, default: plugin(notebook) });
  },
};
