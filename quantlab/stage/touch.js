// The picture of the explorer around this element takes the focus, clicks and keys, and tells Python of them.
// Its SVG is replaced at every step, so listeners sit on the box around it, and the box keeps the focus.
function touched(event) {
  const spot = event.target.closest && event.target.closest(".ql-spot");
  if (!spot) return null;
  const { first, bits, weight, weights, cells } = spot.dataset, many = Number(bits || weights || cells);
  const box = spot.getBoundingClientRect();
  const place = Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * many), 0), many - 1);
  if (cells) return { cell: Number(first) + place, tip: tip(spot.dataset.tips, place) };
  return bits ? { spot: Number(first) + place, single: many === 1 } : { weight: Number(weight) + place };
}

// "Q6_K*4 Q4_K*2|Q5_K*6" says what each cell holds, equal ones once: the words of cell number `place`, one for each list.
function tip(lists, place) {
  return (lists || "").split("|").map((list) => {
    let left = place;
    return (list.split(" ").find((run) => (left -= Number(run.split("*")[1])) < 0) || "").split("*")[0];
  }).join(" and ");
}

function render({ model, el }) {
  let view = null, waiting = false, searching = null, tries = 0;
  const tell = (message) => { waiting = true; model.send(message); };
  const click = (event) => {
    const message = touched(event);
    if (!message) return;
    view.focus({ preventScroll: true });
    tell(message);
  };
  const hover = (event) => { // what the mouse rests on; a step within one cell changes nothing
    const { cell, tip } = touched(event) || {};
    const words = cell === undefined ? "" : tip;
    if (view.title !== words) view.title = words;
  };
  const keydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !model.get("listens").split(" ").includes(event.key.replace(" ", "Space"))) return;
    event.preventDefault(); // neither scroll the page nor reach the notebook's own keys
    event.stopPropagation();
    if (!(event.repeat && waiting)) tell({ key: event.shiftKey && event.key.length > 1 ? "Shift+" + event.key : event.key });
  };
  const point = () => { // which part of the picture is the chosen one
    waiting = false;
    const here = view.querySelector("[data-here]");
    if (here) view.setAttribute("aria-activedescendant", here.id);
  };
  const watch = new MutationObserver(point);
  const attach = () => { // the picture may be drawn after this element
    const root = el.closest(".ql-explorer");
    view = root && root.querySelector(".ql-view");
    if (!view) { if (tries++ < 200) searching = setTimeout(attach, 50); return; }
    view.classList.add("ql-touch");
    view.setAttribute("tabindex", "0");
    view.setAttribute("role", "application");
    view.setAttribute("aria-label", model.get("label"));
    view.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab: A, B, D and arrows are ours here
    view.addEventListener("click", click);
    view.addEventListener("keydown", keydown);
    view.addEventListener("pointermove", hover);
    watch.observe(view, { childList: true, subtree: true });
    point();
  };
  attach();
  return () => {
    clearTimeout(searching);
    watch.disconnect();
    if (view) { view.removeEventListener("click", click); view.removeEventListener("keydown", keydown); view.removeEventListener("pointermove", hover); }
  };
}

export default { render };
