// Names every handle of the explorer around this element and speaks its newest finding to screen readers.
// ipywidgets leaves a slider's handle without an accessible name: the label stands in another element.
const TOUCHED = ".noUi-handle, .widget-readout, select, input, textarea, button";

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

  let speaking = null, naming = null, tries = 0;
  const root = () => el.closest(".ql-explorer");
  const speak = () => {
    if (root()) say_values(root(), model.get("labels"));
    clearTimeout(speaking); // a dragged slider says only where it came to rest
    speaking = setTimeout(() => { live.textContent = model.get("finding"); }, 500);
  };
  const name = () => { // the controls may be drawn after this element
    const missing = !root() || name_handles(root(), model.get("labels"));
    if (root()) say_values(root(), model.get("labels"));
    if (missing && tries++ < 100) naming = setTimeout(name, 50);
  };

  const copy = (event) => { // at once, while the browser still believes that somebody pressed
    const pressed = event.target.closest(".ql-copy"), words = root()?.querySelector(".ql-code");
    if (!pressed || !words) return;
    const told = (said) => { live.textContent = said; pressed.setAttribute("data-said", said); };
    const by_hand = () => { getSelection().selectAllChildren(words); told("Marked: copy it by key"); };
    navigator.clipboard ? navigator.clipboard.writeText(words.textContent).then(() => told("Copied"), by_hand) : by_hand();
  };
  const copy_mine = (event) => { if (root()?.contains(event.target)) copy(event); };
  el.ownerDocument.addEventListener("click", copy_mine);

  model.on("change:finding", speak);
  model.on("change:labels", () => { tries = 0; name(); });
  name();
  return () => { clearTimeout(speaking); clearTimeout(naming); el.ownerDocument.removeEventListener("click", copy_mine); };
}

export default { render };
