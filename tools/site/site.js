/* It moves the exhibits. Walked ones (tools/site/frames.py packs them) bring all
   their pictures along; the others are drawn by the page's own Python (tools/site/worker.js), once touched. */
"use strict";
(() => {
  const REST = 400;               // milliseconds after which a finding is read out
  const SETTLED = 150;            // milliseconds after which a hand has come to rest
  const FOLDER = location.protocol === "file:";
  const size = document.querySelector("meta[name=python-bytes]")?.content;
  const NEEDS_A_SERVER = "To move this picture the page needs a server. In its folder run "
    + "“python -m http.server”, and open http://localhost:8000.";
  const BEFORE = `A first touch loads Python into this page: ${size}, once.`;
  const LOADING = `Python is loading: ${size}.`;
  const COUNTING = "Python is counting.", PATIENCE = 400;     // milliseconds after which that is said

  // ---- where a picture comes from: (stops, panels that are open) -> what stands there

  async function walked(figure, axes) {
    const raw = Uint8Array.from(atob(figure.querySelector("script").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const told = JSON.parse(await new Response(stream).text());
    const whole = (numbers) => numbers.map((i) => told.parts[i]).join("");
    return (stops, _opened, paint) => {
      const at = stops.reduce((sum, stop, i) => sum * axes[i].words.length + stop, 0);
      paint({ svg: whole(told.frames[at]), finding: told.finding[at], table: whole(told.tables[at]),
        numbers: told.numbers[at] });
    };
  }

  let worker = null;
  const waiting = new Map();

  function ask(message) {
    if (!worker) {
      worker = new Worker("python/worker.js", { type: "module" });
      const fail = (words) => { waiting.forEach(([, no]) => no(new Error(words))); waiting.clear(); };
      worker.onerror = (event) => fail(event.message || "the worker could not start");
      worker.onmessage = ({ data }) => {
        const [done, no] = waiting.get(data.number);
        waiting.delete(data.number);
        if (data.error) no(new Error(data.error));
        else done(JSON.parse(data.told));
      };
    }
    const number = ask.count = (ask.count || 0) + 1;
    return new Promise((done, no) => {
      waiting.set(number, [done, no]);
      worker.postMessage({ ...message, number });
    });
  }

  function drawn(figure, tell) {              // while one picture is drawn only the newest wish is kept
    let busy = false, next = null, arrived = false, rouse = () => {};
    const { call, owner } = figure.dataset;
    return async (stops, opened, paint) => {
      next = { call, owner, stops, opened };
      rouse();
      if (busy) return;
      busy = true;
      if (!arrived) tell(LOADING);
      try {
        while (next) {
          const wish = next;
          next = null;
          const slow = arrived && setTimeout(() => tell(COUNTING), PATIENCE);
          const told = await ask({ ...wish, rough: true });
          paint(told);
          clearTimeout(slow);
          arrived = true;
          tell("");
          if (!told.rough) continue;
          await new Promise((done) => { rouse = done; setTimeout(done, SETTLED); });
          if (!next) paint(await ask(wish));            // what takes long follows when the hand has rested
        }
      } catch (error) {
        tell(`Python does not answer: ${error.message}`);
      }
      busy = false;
    };
  }

  // ---- an exhibit

  async function wake(figure) {
    const axes = JSON.parse(figure.dataset.axes), links = JSON.parse(figure.dataset.links || "[]");
    const [frame, live, group, status, opened, shown] =
      [".ql-frame", ".ql-live", ".ql-handles", ".ql-status", ".ql-opened", ".ql-shown"]
        .map((name) => figure.querySelector(name));
    const tell = (words) => { status.textContent = words; status.hidden = !words; };
    figure.dataset.finding = frame.querySelector("svg").getAttribute("aria-label");
    if (figure.dataset.call && !size) return;           // the site was built without Python
    if (figure.dataset.call && FOLDER) { tell(NEEDS_A_SERVER); return; }
    const source = figure.dataset.call ? drawn(figure, tell) : await walked(figure, axes);
    const handles = [...group.querySelectorAll("input,select")];
    const typed = (i) => !axes[i].values.length;
    const state = () => handles.map((handle, i) => (typed(i) ? handle.value : Number(handle.value)));
    const value = (i) => (typed(i) ? handles[i].value : axes[i].values[handles[i].value]);
    const [width, tallest] = frame.style.aspectRatio.split("/").map(Number);
    let timer = 0, height = tallest;
    const unsaid = [];

    function put(i, stop) {                   // as a hand does it: a menu and its slider follow each other
      if (String(stop) === handles[i].value) return;
      handles[i].value = stop;
      follow(i);
    }

    function follow(i) {
      for (const [menu, slider, places, free] of links) {
        const place = places[handles[menu].value];
        if (i === menu && place !== null) put(slider, place);
        if (i === slider && place !== null && String(place) !== handles[slider].value) put(menu, free);
      }
    }

    function paint(told) {
      frame.innerHTML = told.svg;
      if (told.height > height) {             // the page must not jump: it grows and never shrinks
        height = told.height;
        frame.style.aspectRatio = `${width}/${height}`;
      }
      frame.ariaBusy = String(Boolean(told.rough));
      figure.dataset.finding = told.finding;
      shown.innerHTML = shown.hidden ? "" : told.table;
      opened.innerHTML = told.panels || "";
      const now = Object.fromEntries(axes.map((axis, i) => [axis.name, value(i)]));
      unsaid.push(...quantlab.look(figure, { ...now, ...told.numbers }));     // said once, however fast the hand goes on
      clearTimeout(timer);
      timer = setTimeout(() => { live.textContent = [told.finding, ...unsaid.splice(0)].join(" "); }, REST);
    }

    function show() {
      handles.forEach((handle, i) => {
        const output = handle.parentElement.querySelector("output");
        if (!output) return;
        output.textContent = axes[i].words[handle.value];
        handle.setAttribute("aria-valuetext", output.textContent);
      });
      const panels = [...group.querySelectorAll("[data-panel][aria-expanded=true]")];
      opened.hidden = !panels.length;
      source(state(), panels.map((button) => button.dataset.panel), paint);
    }

    // An address names the exhibit, and the handles that are not where they were at first.
    async function link(button) {
      const moved = axes.map((axis, i) => [axis.name, value(i)]).filter((_, i) => String(axes[i].first) !== handles[i].value);
      history.replaceState(null, "", picture_address.spell("", figure.id, moved));
      const copied = navigator.clipboard?.writeText(location.href);
      button.dataset.said = live.textContent = await copied?.then(() => "Copied", () => "")
        || "It stands in the address bar";
    }

    function go(asked) {
      const unknown = [...asked.keys()].filter((name) => axes.every((axis) => axis.name !== name));
      axes.forEach((axis, i) => {
        const stop = typed(i) ? asked.get(axis.name) : axis.values.map(String).indexOf(asked.get(axis.name));
        if (asked.has(axis.name) && stop === -1) unknown.push(`${axis.name}=${asked.get(axis.name)}`);
        handles[i].value = asked.has(axis.name) && stop !== -1 ? stop : axis.first;
      });
      show();
      if (unknown.length) tell(`This address asks for ${unknown.join(", ")}, which this picture does not have.`);
    }

    handles.forEach((handle, i) => handle.addEventListener("input", () => { follow(i); show(); }));
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.to) JSON.parse(button.dataset.to).forEach(([i, stop]) => put(i, stop));
      else if ("reset" in button.dataset) axes.forEach((axis, i) => put(i, axis.first));
      else if ("link" in button.dataset) { link(button); return; }
      else {
        const open = button.getAttribute("aria-expanded") !== "true";
        button.setAttribute("aria-expanded", String(open));
        if ("table" in button.dataset) shown.hidden = !open;
      }
      show();
    });
    if (figure.dataset.call) tell(BEFORE);
    group.hidden = false;
    figure.classList.add("ql-awake");
    return go;
  }

  const awake = new Map();
  const woken = (figure) => awake.get(figure) ?? awake.set(figure, wake(figure)).get(figure);

  async function arrive() {                   // by a link that opens one picture
    const { id, asked } = picture_address.read(location.hash);
    const figure = id && document.getElementById(id);
    if (!figure?.matches(".ql-play")) return;
    for (let one = figure.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    figure.scrollIntoView({ block: "center" });
    (await woken(figure))?.(asked);
  }

  // ---- what a panel of commands offers

  document.addEventListener("click", async (event) => {
    const tab = event.target.closest(".ql-tab"), copy = event.target.closest(".ql-copy");
    const panel = event.target.closest(".ql-opened");
    if (tab) panel.dataset.tab = tab.dataset.tab;
    if (!copy) return;
    const words = [...panel.querySelectorAll(".ql-code")].find((one) => one.offsetParent !== null);
    await navigator.clipboard?.writeText(words.textContent);
    copy.dataset.said = navigator.clipboard ? "Copied" : "Mark it and copy it by key";
  });

  if (!("DecompressionStream" in window)) return;     // the first pictures stay, with their words
  const near = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (entry.isIntersecting) {
      near.unobserve(entry.target);
      woken(entry.target);
    }
  }), { rootMargin: "800px" });
  document.querySelectorAll(".ql-play").forEach((figure) => near.observe(figure));
  addEventListener("hashchange", arrive);
  arrive();
})();
