"use strict";
(() => {
  const FIRST_ROWS = 50; // what a table of instances shows before one asks for all

  // The theme: the system's, until the button has been pressed.
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  function storedTheme() {
    try { return localStorage.getItem("shardopt-theme"); } catch { return null; }
  }
  function showTheme(chosen) {
    if (chosen) root.dataset.theme = chosen; // the style sheet follows the system without it
    const dark = (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    button.textContent = dark ? "light" : "dark";
    button.setAttribute("aria-label", `switch to ${button.textContent} colours`);
  }
  button.addEventListener("click", () => {
    showTheme(button.textContent);
    try { localStorage.setItem("shardopt-theme", root.dataset.theme); } catch { /* a private window */ }
  });
  system.addEventListener("change", () => showTheme());
  showTheme(storedTheme());

  // Numbers read as in the tables that are written out.
  const digits = (value, most) => {
    if (value === 0) return "0";
    const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
    return String(Number(value.toFixed(Math.min(decimals, most))));
  };
  const READ = {
    text: (value) => value,
    number: (value) => String(Number(value.toPrecision(6))),
    percent: (value) => value !== 0 && Math.abs(value) < 1e-6 ? "<0.0001 %" : `${digits(100 * value, 6)} %`,
    seconds: (value) => value > 0 && value < 5e-4 ? "<0.001 s" : `${digits(value, 3)} s`,
  };

  // What does not exist stands last, whichever way a column is sorted.
  const collator = new Intl.Collator("en", { numeric: true });
  const missing = (value) => value === null || value === "" || Number.isNaN(value);
  function compare(a, b, sign) {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));
  }
  function nextDirection(headings, heading) {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    return descending ? -1 : 1;
  }

  // Tables that are written out: their rows are put in another order.
  function valueOf(cell) {
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  }
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, n) => heading.addEventListener("click", () => {
      const sign = nextDirection(headings, heading);
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => compare(valueOf(a.cells[n]), valueOf(b.cells[n]), sign));
      table.tBodies[0].append(...rows);
    }));
  }

  // Tables of instances: made of data, filtered and sorted here.
  for (const form of document.querySelectorAll("form.filters")) {
    const problem = form.dataset.for;
    const { columns, rows } = JSON.parse(document.getElementById(`${problem}-data`).textContent);
    const table = document.getElementById(`${problem}-table`);
    const more = document.querySelector(`button.more[data-for="${problem}"]`);
    const at = Object.fromEntries(columns.map((column, n) => [column.name, n]));
    let sorted = rows;
    let all = false;

    const matches = (row) => {
      const { text, solver, outcome, gap } = form.elements;
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const searched = `${row[at.instance]} ${row[at.solver]}`.toLowerCase();
      return words.every((word) => searched.includes(word))
        && (!solver.value || row[at.solver] === solver.value)
        && (!outcome.value || row[at.outcome].includes(outcome.value))
        && (gap.value === "" || (row[at.gap_to_bound] !== null && 100 * row[at.gap_to_bound] >= Number(gap.value)));
    };
    function show() {
      const found = sorted.filter(matches);
      const shown = all ? found : found.slice(0, FIRST_ROWS);
      const body = document.createDocumentFragment();
      for (const row of shown) {
        const line = document.createElement("tr");
        columns.forEach((column, n) => {
          const cell = document.createElement(n === 0 ? "th" : "td");
          if (n === 0) { cell.scope = "row"; cell.title = row[n]; }
          cell.className = column.kind;
          cell.textContent = row[n] === null ? "–" : READ[column.kind](row[n]);
          if (column.name === "outcome" && /failed|invalid/.test(row[n])) cell.classList.add("bad");
          line.append(cell);
        });
        body.append(line);
      }
      table.tBodies[0].replaceChildren(body);
      form.querySelector("output").textContent =
        `${shown.length < found.length ? `${shown.length} shown of ` : ""}${found.length} of ${rows.length} rows`;
      more.hidden = shown.length === found.length;
      more.textContent = `show all ${found.length} rows`;
    }

    const heads = document.createElement("tr");
    for (const column of columns) {
      const heading = document.createElement("th");
      const label = document.createElement("button");
      label.type = "button";
      label.textContent = column.label;
      heading.scope = "col";
      heading.className = column.kind;
      heading.append(label);
      heads.append(heading);
      heading.addEventListener("click", () => {
        const sign = nextDirection([...heads.cells], heading);
        const n = at[column.name];
        sorted = [...rows].sort((a, b) => compare(a[n], b[n], sign));
        show();
      });
    }
    table.tHead.append(heads);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", show);
    form.addEventListener("reset", () => setTimeout(show));
    more.addEventListener("click", () => { all = true; show(); });
    show();
  }

  // The legend brings solvers forward in all pictures of a problem.
  for (const legend of document.querySelectorAll(".legend")) {
    const pictures = legend.parentElement;
    legend.addEventListener("click", (event) => {
      const key = event.target.closest("button");
      if (!key) return;
      const on = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", String(on));
      for (const series of pictures.getElementsByClassName(key.dataset.series)) series.classList.toggle("on", on);
      pictures.classList.toggle("focus", legend.querySelector('[aria-pressed="true"]') !== null);
    });
  }

  // Plans are drawn when they are asked for: most readers open few of them.
  let plans = null;
  document.addEventListener("toggle", (event) => {
    if (!event.target.open) return;
    plans ??= JSON.parse(document.getElementById("plans").textContent);
    for (const image of event.target.querySelectorAll("img[data-plan]:not([src])")) {
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(plans[image.dataset.plan])}`;
    }
  }, true);
})();
