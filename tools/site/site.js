/* The one script of the site: it moves the walked exhibits (tools/site/frames.py packs them). */
"use strict";
(() => {
  const REST = 400;               // milliseconds after which a finding is read out

  async function unpacked(figure) {
    const raw = Uint8Array.from(atob(figure.querySelector("script").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return JSON.parse(await new Response(stream).text());
  }

  async function wake(figure) {
    const told = await unpacked(figure);
    const axes = JSON.parse(figure.dataset.axes);
    const [frame, live, group, shown] = [".ql-frame", ".ql-live", ".ql-handles", ".ql-shown"]
      .map((name) => figure.querySelector(name));
    const handles = [...group.querySelectorAll("input,select")];
    const whole = (numbers) => numbers.map((i) => told.parts[i]).join("");
    let timer = 0;

    function show() {
      let at = 0;
      handles.forEach((handle, i) => {
        const stop = Number(handle.value);
        at = at * axes[i].words.length + stop;
        const output = handle.parentElement.querySelector("output");
        if (output) {
          output.textContent = axes[i].words[stop];
          handle.setAttribute("aria-valuetext", axes[i].words[stop]);
        }
      });
      frame.innerHTML = whole(told.frames[at]);
      figure.dataset.finding = told.finding[at];
      if (!shown.hidden) shown.innerHTML = whole(told.tables[at]);
      clearTimeout(timer);
      timer = setTimeout(() => { live.textContent = told.finding[at]; }, REST);
    }

    function put(stops) {
      handles.forEach((handle, i) => { handle.value = stops[i]; });
      show();
    }

    handles.forEach((handle) => handle.addEventListener("input", show));
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.to) put(button.dataset.to.split(","));
      else if ("reset" in button.dataset) put(axes.map((axis) => axis.first));
      else {
        shown.hidden = !shown.hidden;
        button.setAttribute("aria-expanded", String(!shown.hidden));
        show();
      }
    });
    figure.dataset.finding = frame.querySelector("svg").getAttribute("aria-label");
    group.hidden = false;
    figure.classList.add("ql-awake");
  }

  if (!("DecompressionStream" in window)) return;     // the first pictures stay, with their words
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (entry.isIntersecting) {
      near.unobserve(entry.target);
      wake(entry.target);
    }
  }), { rootMargin: "800px" });
  document.querySelectorAll(".ql-play").forEach((figure) => near.observe(figure));
})();
