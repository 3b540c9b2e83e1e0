// Names every handle of the explorer around this element and speaks its newest finding to screen readers.
// ipywidgets leaves a slider's handle without an accessible name: the label stands in another element.
const TOUCHED = ".noUi-handle, select, input, textarea, button";

function name_handles(root, labels) {
  let missing = 0;
  for (const [css_class, words] of Object.entries(labels)) {
    const control = root.querySelector("." + css_class);
    const handles = control ? [control, ...control.querySelectorAll("*")].filter((e) => e.matches(TOUCHED)) : [];
    if (!handles.length) missing += 1;
    handles.forEach((handle, i) => {
      if (handle.matches("button") && handle.textContent.trim()) return; // a button's own text is its name
      handle.setAttribute("aria-label", handles.length > 1 ? `${words} ${i + 1} of ${handles.length}` : words);
    });
  }
  return missing;
}

function render({ model, el }) {
  const live = document.createElement("div");
  live.className = "ql-live";
  live.setAttribute("role", "status");
  live.setAttribute("aria-live", "polite");
  el.appendChild(live);

  let timer = null;
  const speak = () => {
    clearTimeout(timer); // a dragged slider says only where it came to rest
    timer = setTimeout(() => { live.textContent = model.get("finding"); }, 500);
  };

  let tries = 0;
  const label = () => { // the controls may be drawn after this element
    const root = el.closest(".ql-explorer");
    if ((!root || name_handles(root, model.get("labels"))) && tries++ < 100) setTimeout(label, 50);
  };

  model.on("change:finding", speak);
  model.on("change:labels", () => { tries = 0; label(); });
  speak();
  label();
  return () => clearTimeout(timer);
}

export default { render };
