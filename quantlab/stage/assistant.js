// Names every handle of the explorer around this element and speaks its newest finding to screen readers.
// ipywidgets leaves a slider's handle without an accessible name: the label stands in another element.
const TOUCHED = ".noUi-handle, .widget-readout, select, input, textarea, button";
const HANDLES = ".noUi-handle, select, input, textarea, button, .ql-touch";
const TOUCHES = ["pointerup", "keyup", "change"];

function name_handles(root, labels) {
  let missing = 0;
  for (const [css_class, words] of Object.entries(labels)) {
    const control = root.querySelector("." + css_class);
    const parts = control ? [control, ...control.querySelectorAll("*")].filter((e) => e.matches(TOUCHED)) : [];
    if (!parts.length) missing += 1;
    const handles = parts.filter((e) => e.matches(".noUi-handle"));
    parts.forEach((part) => {
      if (part.matches("button") && part.textContent.trim()) return; // a button's own text is its name
      const ends = handles.length > 1 && part.matches(".noUi-handle");
      part.setAttribute("aria-label", ends ? `${words}, ${handles.indexOf(part) ? "upper" : "lower"} end` : words);
    });
  }
  return missing;
}

// A handle says its position as a bare number ("2.0"); what stands beside the slider ("Q4_K_M", "8 GiB") says more.
function say_values(root, labels) {
  for (const css_class of Object.keys(labels)) {
    const control = root.querySelector("." + css_class);
    const readout = control && control.querySelector(".widget-readout");
    const handles = control ? control.querySelectorAll(".noUi-handle") : [];
    if (readout && readout.textContent && handles.length === 1) {
      handles[0].setAttribute("aria-valuetext", readout.textContent);
    }
  }
}

function render({ model, el }) {
  const live = document.createElement("div");
  live.className = "ql-live";
  live.setAttribute("role", "status");
  live.setAttribute("aria-live", "polite");
  live.textContent = model.get("finding"); // before it joins the page, so that a page full of explorers stays silent
  el.appendChild(live);

  let unsaid = "", speaking = null, naming = null, resting = null, waiting = null, fading = null, tries = 0;
  const root = () => el.closest(".ql-explorer");
  const speak = () => {
    if (root()) say_values(root(), model.get("labels"));
    clearTimeout(speaking); // a dragged slider says only where it came to rest
    speaking = setTimeout(() => {
      const words = model.get("finding");
      live.textContent = words.includes(unsaid) ? words : `${words} ${unsaid}`;
      unsaid = "";
    }, 500);
  };
  const rest = () => { // what stands here when the hand has rested is what a saved notebook shows
    clearTimeout(resting);
    resting = setTimeout(() => { try { model.send({ rested: true }); } catch { /* no kernel: the still is its last word */ } }, 1000);
  };

  // Something was touched: when no kernel answers, say so. A stopped one leaves the picture as it was, without a word.
  const silence = (shown) => root()?.classList.toggle("ql-silent", shown);
  const touched = () => {
    if (waiting) return;
    waiting = setTimeout(() => { waiting = null; silence(true); }, 4000);
    try { model.send({ ping: 1 }); } catch { clearTimeout(waiting); waiting = null; silence(true); }
  };
  const answered = (message, buffers) => {
    if (message.copied) copied(message, buffers); clearTimeout(waiting); waiting = null; silence(false); };

  const name = () => { // the controls may be drawn after this element
    const missing = !root() || name_handles(root(), model.get("labels"));
    if (root()) say_values(root(), model.get("labels"));
    if (missing && tries++ < 100) naming = setTimeout(name, 50);
  };

  const copy = (event) => { // at once, while the browser still believes that somebody pressed
    const tab = event.target.closest(".ql-tab"), pressed = event.target.closest(".ql-copy");
    if (tab) root().dataset.tab = tab.dataset.tab; // kept while the handles move and the commands are written anew
    const words = [...(root()?.querySelectorAll(".ql-code") || [])].find((e) => e.offsetParent !== null);
    if (!pressed || !words) return;
    const told = (said) => { live.textContent = said; pressed.setAttribute("data-said", said); };
    const by_hand = () => { getSelection().selectAllChildren(words); told("Marked: copy it by key"); };
    navigator.clipboard ? navigator.clipboard.writeText(words.textContent).then(() => told("Copied"), by_hand) : by_hand();
  };
  // A file beside the notebook: the page's own address says where the server hands out files.
  const open_file = (event) => {
    const link = event.target.closest?.("a.ql-file");
    const page = location.pathname.match(/^(.*?\/)(?:lab|doc|notebooks)\/(?:workspaces\/[^/]+\/)?(?:tree\/)?(.*?)[^/]*$/);
    if (link && page) link.href = `${page[1]}files/${page[2]}${link.dataset.file}`;
  };
  const copy_mine = (event) => { if (root()?.contains(event.target)) { open_file(event); copy(event); } };
  el.ownerDocument.addEventListener("click", copy_mine);
  // Copied to take along: the clipboard is asked at once, while the browser believes that somebody pressed.
  const TAKEN = { // kind -> words on its button, what they mean, type, name of a file, and what is made of Python's answer
    picture: ["Copy as picture", "A PNG with title, settings and source", "image/png", "quantlab.png", (_, buffers) => buffers[0]],
    code: ["Copy as code", "The call that makes it again", "text/plain", "quantlab.py", ({ text }) => text],
    link: ["Link to this picture", "Copies an address that opens the site at this picture", "text/plain", "quantlab.txt",
      ({ page, id, moved }) => picture_address.spell(page, id, moved)],
  };
  let arrived = null;
  const copied = (message, buffers) => arrived && arrived([message, buffers]);
  const ask = (kind) => new Promise((done) => { arrived = done; model.send({ copy: kind }); });
  const told = el.ownerDocument.createElement("span");
  const tell = (said) => {
    live.textContent = told.textContent = said;
    clearTimeout(fading);
    fading = setTimeout(() => { told.textContent = ""; }, Math.max(4000, 90 * said.length));
  };
  const share = (kind) => {
    const [, , type, name, made] = TAKEN[kind];
    const answer = ask(kind).then(([message, buffers]) => {
      if (message.refused) throw new Error(message.refused);
      return [new Blob([made(message, buffers)], { type }), message.said || "Copied"];
    });
    const save = () => answer.then(([blob]) => { // no clipboard for it here: a file is as good
      const link = el.ownerDocument.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = name;
      link.click();
      tell("Saved as a file");
    }, (error) => tell(error.message));
    if (!navigator.clipboard || !window.ClipboardItem) { save(); return; }
    navigator.clipboard.write([new ClipboardItem({ [type]: answer.then(([blob]) => blob) })])
      .then(() => answer).then(([, said]) => tell(said), save);
  };
  if (model.get("shares").length) {
    const bar = el.ownerDocument.createElement("div");
    bar.className = "ql-share";
    for (const kind of model.get("shares")) {
      const button = el.ownerDocument.createElement("button");
      [button.textContent, button.title] = TAKEN[kind];
      button.addEventListener("click", () => share(kind));
      bar.appendChild(button);
    }
    bar.appendChild(told);
    el.appendChild(bar);
  }

  // Shift+Enter leaves the notebook on the next cell: the first Tab after it leads into the picture that was just made.
  // Escape leads back to where one was, so that Shift+Enter goes on.
  let fresh = true, came_from = null;
  const step_in = (event) => {
    if (["Shift", "Enter", "Control"].includes(event.key)) return;
    const was_fresh = fresh, active = el.ownerDocument.querySelector(".jp-Notebook .jp-Cell.jp-mod-active");
    fresh = false;
    const mine = el.closest(".jp-Cell"), here = el.ownerDocument.activeElement;
    if (!was_fresh || event.key !== "Tab" || event.shiftKey || !mine || !active) return;
    if (here?.closest(".cm-editor, .jp-OutputArea-output") || (active !== mine && mine.nextElementSibling !== active)) return;
    const first = [...root().querySelectorAll(HANDLES)].find((e) => e.offsetParent !== null && !e.disabled);
    if (!first) return;
    event.preventDefault();
    event.stopPropagation();
    came_from = active;
    first.focus();
  };
  const step_out = (event) => {
    const cell = came_from?.isConnected ? came_from : el.closest(".jp-Cell");
    if (event.key !== "Escape" || !cell || !root()?.contains(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    cell.focus({ preventScroll: true });
    came_from = null;
  };
  const look_elsewhere = () => { fresh = false; };
  el.ownerDocument.addEventListener("keydown", step_in, true);
  el.ownerDocument.addEventListener("keydown", step_out, true);
  el.ownerDocument.addEventListener("pointerdown", look_elsewhere, true);

  const touch_mine = (event) => { if (root()?.contains(event.target)) touched(); };
  for (const kind of TOUCHES) el.ownerDocument.addEventListener(kind, touch_mine, true);

  model.on("change:finding", speak);
  model.on("change:news", () => { unsaid = model.get("news"); }); // said once, however fast the hand goes on
  model.on("change:changes", rest);
  model.on("msg:custom", answered);
  model.on("change:labels", () => { tries = 0; name(); });
  name();
  return () => {
    [speaking, naming, resting, waiting, fading].forEach(clearTimeout);
    el.ownerDocument.removeEventListener("click", copy_mine);
    el.ownerDocument.removeEventListener("keydown", step_in, true);
    el.ownerDocument.removeEventListener("keydown", step_out, true);
    el.ownerDocument.removeEventListener("pointerdown", look_elsewhere, true);
    for (const kind of TOUCHES) el.ownerDocument.removeEventListener(kind, touch_mine, true);
  };
}

export default { render };
