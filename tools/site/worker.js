/* Python in the page: loads Pyodide from this folder when the first message comes, and answers each message
   with what tools/site/in_page.py draws. The two large files lie there deflated. */
import { loadPyodide } from "./pyodide.mjs";

const here = new URL("./", import.meta.url).href;
const get = async (name) => {
  const answer = await plain(here + name);
  if (!answer.ok) throw new Error(`${name}: the server answers ${answer.status}`);
  return answer;
};
const inflated = (answer) => answer.body.pipeThrough(new DecompressionStream("gzip"));
const plain = self.fetch.bind(self);
self.fetch = async (what, how) => (String(what.url ?? what).endsWith("pyodide.asm.wasm")
  ? new Response(inflated(await get("pyodide.asm.wasm.gz")), { headers: { "content-type": "application/wasm" } })
  : plain(what, how));

async function started() {
  const script = await new Response(inflated(await get("pyodide.asm.mjs.gz"))).blob();
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const [core, files, lock] = await Promise.all([
    import(address), get("quantlab.zip").then((answer) => answer.arrayBuffer()),
    get("pyodide-lock.json").then((answer) => answer.text())]);
  const python = await loadPyodide({ indexURL: here, createPyodideModule: core.default,
    lockFileContents: lock, packageBaseUrl: here, env: { QUANTLAB_PROFILE: "reference", HOME: "/home/pyodide" } });
  python.unpackArchive(files, "zip", { extractDir: "/home/pyodide" });
  return python.pyimport("in_page");
}

let python = null;
self.onmessage = async ({ data }) => {
  try {
    python ??= started();
    const room = await python;
    const told = room.drawn(data.call, data.owner, data.stops, data.opened, Boolean(data.rough));
    self.postMessage({ number: data.number, told });
  } catch (error) {
    self.postMessage({ number: data.number, error: String(error.message ?? error) });
  }
};
