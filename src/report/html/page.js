// Filters, sorts, copies, and opens what a link points to. Without it the page has everything but these.
(() => {
  "use strict";
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const live = document.getElementById("live");
  const texts = new WeakMap();
  // The text of an element in lower case, read once.
  const text = (element) => {
    if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
    return texts.get(element);
  };
  const button = (label, name, press) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    if (name) made.setAttribute("aria-label", name);
    made.addEventListener("click", press);
    return made;
  };

  // Copy: a button beside each filter and command, made when its finding is opened for the first time.
  const copy = async (code) => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // A file that was opened from disk may have no clipboard.
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      document.execCommand("copy");
      selection.removeAllRanges();
    }
    live.textContent = "Copied";
  };
  const offerCopies = (finding) => {
    if (finding.dataset.copies || !finding.matches(".f")) return;
    finding.dataset.copies = "yes";
    for (const code of all("code.q", finding)) {
      const say = (word) => {
        made.textContent = word;
        made.setAttribute("aria-label", `${word} ${code.textContent}`);
      };
      const made = button("", "", async () => {
        await copy(code);
        say("Copied");
        setTimeout(say, 1500, "Copy");
      });
      say("Copy");
      made.className = "cp";
      code.after(made);
    }
  };
  document.addEventListener("toggle", (event) => {
    if (event.target.open) offerCopies(event.target);
  }, true);
  all("details.f[open]").forEach(offerCopies);

  // Links into the page open what they point to.
  const reveal = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* not ours */ }
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let element = target; element; element = element.parentElement) {
      if (element.tagName === "DETAILS") element.open = true;
      element.hidden = false;
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  // A second click on the same link changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (link && link.hash === location.hash) reveal();
  });
  reveal();

  // Filters: every word must be in a finding, or in its group's head; of a table, in a row.
  const later = (run) => {
    let waiting;
    return () => { clearTimeout(waiting); waiting = setTimeout(run, 120); };
  };
  const groups = (host, words, severities) => {
    let shown = 0, number = 0;
    for (const group of all(".g", host)) {
      const head = text(group.querySelector("summary")) + " " + all(":scope > .gb > p", group).map(text).join(" ");
      const isOn = severities.has(group.dataset.s), isHead = words.every((word) => head.includes(word));
      let of_group = 0;
      for (const item of all(".f, .gb > .more tbody tr", group)) {
        number += 1;
        item.hidden = !(isOn && (isHead || words.every((word) => (head + " " + text(item)).includes(word))));
        of_group += !item.hidden;
      }
      for (const more of all(":scope > .gb > .more:has(tbody)", group)) more.hidden = !more.querySelector("tbody tr:not([hidden])");
      group.hidden = !of_group;
      shown += of_group;
    }
    return [shown, number];
  };
  const rows = (table, words) => {
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !words.every((word) => text(row).includes(word));
      shown += !row.hidden;
    }
    return [shown, table.tBodies[0].rows.length];
  };
  for (const form of all("form.flt")) {
    const search = form.querySelector("input[type=search]");
    const boxes = all("input[type=checkbox]", form);
    const output = form.querySelector("output");
    const host = document.getElementById(form.dataset.for);
    const run = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      const [shown, number] = host.tBodies ? rows(host, words) : groups(host, words, severities);
      const count = (of) => of.toLocaleString("en");
      output.textContent = shown === number ? "" : `${count(shown)} of ${count(number)} shown`;
    };
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    search.addEventListener("input", later(run));
    boxes.forEach((box) => box.addEventListener("change", run));
    const open = form.querySelector("button.all");
    open?.addEventListener("click", () => {
      const opens = open.textContent === "Open all";
      all(":scope > .g", host).forEach((group) => { group.open = opens; });
      open.textContent = opens ? "Close all" : "Open all";
    });
  }

  // Sorting: by a press on the head of a column, and again for the other way.
  const value = (cell) => cell.dataset.v ?? (cell.matches(".r") ? cell.textContent.replaceAll(",", "").replace("–", "0") : cell.textContent).trim();
  for (const table of all("table.sort")) {
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      const made = button(head.textContent, "", () => {
        // Of numbers and severities the greatest are looked for first.
        const down = head.matches(".r") || table.tBodies[0].rows[0]?.cells[column].dataset.v !== undefined;
        const before = head.getAttribute("aria-sort");
        const rises = before ? before === "descending" : !down;
        all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", rises ? "ascending" : "descending");
        const order = new Intl.Collator("en", { numeric: true });
        const sorted = [...table.tBodies[0].rows].map((row) => [value(row.cells[column]), row]);
        sorted.sort(([one], [other]) => order.compare(one, other) * (rises ? 1 : -1));
        table.tBodies[0].append(...sorted.map(([, row]) => row));
      });
      head.textContent = "";
      head.append(made);
    }
  }
})();
