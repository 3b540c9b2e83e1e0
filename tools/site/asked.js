/* Guesses, quizzes and targets (tools/site/asked.py writes them). What was answered and reached stays in this
   browser and is told to nobody. */
"use strict";
const quantlab = (() => {
  const SIGNS = { "=": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b,
    ">": (a, b) => a > b, ">=": (a, b) => a >= b, in: (a, several) => several.includes(a) };
  const NAMES = { guesses: "quantlab.guesses", targets: "quantlab.targets" };

  function kept(name) {                       // a browser that keeps nothing forgets with the page
    try {
      const found = JSON.parse(localStorage.getItem(NAMES[name]));
      return found && typeof found === "object" ? found : {};
    } catch { return {}; }
  }
  const books = { guesses: kept("guesses"), targets: kept("targets") };

  function enter(name, number, row) {
    if (number in books[name]) return;
    books[name][number] = row;
    try { localStorage.setItem(NAMES[name], JSON.stringify(books[name])); } catch { /* see kept */ }
    tell();
  }

  function tell() {
    document.querySelectorAll(".ql-score").forEach((line) => {
      const asked = document.querySelectorAll(`[data-number^="${line.dataset.of}"]`);
      const rows = [...asked].map((one) => books.guesses[one.dataset.number]).filter(Boolean);
      const right = rows.filter(([, good]) => good).length;
      line.textContent = `Score. ${right} of ${asked.length} right at the first attempt; `
        + `${asked.length - rows.length} still open.`;
    });
    document.querySelectorAll(".ql-ledger").forEach((line) => {
      const { guesses, targets } = JSON.parse(line.dataset.numbers);
      const rows = guesses.map((number) => books.guesses[number]).filter(Boolean);
      const reached = targets.filter((number) => number in books.targets).length;
      line.textContent = `Your guesses. ${rows.length} of ${guesses.length} answered, `
        + `${rows.filter(([, good]) => good).length} right. `
        + (targets.length ? `Your targets. ${reached} of ${targets.length} reached. ` : "");
      const forget = document.createElement("button");
      forget.type = "button";
      forget.textContent = "Forget my answers";
      forget.title = "Your answers are kept in this browser only";
      forget.addEventListener("click", () => {
        try { Object.values(NAMES).forEach((name) => localStorage.removeItem(name)); } catch { /* see kept */ }
        location.reload();
      });
      line.append(forget);
    });
  }

  function choice(box) {
    const { number, right } = box.dataset;
    const buttons = [...box.querySelectorAll(".ql-option")], whys = [...box.querySelectorAll("template")];
    const said = box.querySelector(".ql-said"), waits = box.nextElementSibling;
    const opens = () => { if (waits?.matches("details.ql-then")) waits.open = true; };
    const look = (i) => {
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === i)));
      said.replaceChildren(whys[i].content.cloneNode(true));
    };
    buttons.forEach((button, i) => {
      button.disabled = false;
      button.addEventListener("click", () => {
        enter("guesses", number, [i, i === Number(right)]);
        look(i);
        opens();
      });
    });
    const before = books.guesses[number];
    if (Array.isArray(before) && whys[before[0]]) { look(before[0]); opens(); }
  }

  function turned(box) { box.replaceChildren(box.querySelector("template").content.cloneNode(true)); }

  /* What an exhibit shows now: the targets under it that it reaches, as sentences for the ears. */
  function look(figure, now) {
    return [...figure.querySelectorAll(".ql-target:not(.ql-done)")].map((box) => {
      const met = JSON.parse(box.dataset.when).every(([name, sign, value]) => name in now && SIGNS[sign](now[name], value));
      if (!met) return "";
      box.classList.add("ql-done");
      turned(box);
      enter("targets", box.dataset.number, true);
      return box.dataset.said;
    }).filter(Boolean);
  }

  document.querySelectorAll(".ql-ask").forEach(choice);
  document.querySelectorAll(".ql-target").forEach((box) => {
    if (!(box.dataset.number in books.targets)) return;
    box.classList.add("ql-done");
    turned(box);
  });
  tell();
  return { look };
})();
