"use strict";
(function () {
  const root = document.documentElement;
  const number = (text) => {
    const found = /^[-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?/i.exec(text);
    return found ? Number(found[0].replaceAll(",", "")) : text === "inf" ? Infinity : text === "-inf" ? -Infinity : NaN;
  };

  const theme = document.getElementById("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.hidden = false;
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();

  const text = (row, place) => row.cells[place].textContent;

  function sorting(table) {
    const body = table.tBodies[0];
    const order = new Map([...body.rows].map((row, place) => [row, place]));
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const way = before === "ascending" ? "descending" : before === "descending" ? null : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (way) head.setAttribute("aria-sort", way);
        const sign = way === "descending" ? -1 : 1;
        const isText = head.classList.contains("t") && [...body.rows].some((row) => Number.isNaN(number(text(row, place))) && text(row, place) !== "-");
        const keys = new Map([...body.rows].map((row) => [row, isText ? text(row, place) : number(text(row, place))]));
        const compare = (one, other) => {
          const [a, b] = [keys.get(one), keys.get(other)];
          if (isText) return sign * a.localeCompare(b, "en", { numeric: true });
          // What is no number is last, whichever way.
          return Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : sign * (a === b ? 0 : a - b);
        };
        const rows = [...body.rows].sort((one, other) => (way && compare(one, other)) || order.get(one) - order.get(other));
        body.append(...rows);
      });
    });
  }

  function filtering(table, figure) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    if (body.rows.length < 4) return;
    const tools = document.createElement("div"), status = document.createElement("span"), filters = [];
    tools.className = "tools";
    status.setAttribute("role", "status");
    const add = (title, input, fits) => {
      const label = document.createElement("label"), words = document.createElement("bdi");
      words.textContent = title;
      label.append(words, input);
      tools.append(label);
      filters.push(fits);
      input.addEventListener("input", apply);
    };
    const apply = () => {
      let shown = 0;
      for (const row of body.rows) {
        row.hidden = !filters.every((fits) => fits(row));
        shown += !row.hidden;
      }
      status.textContent = shown === body.rows.length ? `${shown} rows` : `${shown} of ${body.rows.length} rows`;
    };
    heads.forEach((head, place) => {
      if (!head.hasAttribute("data-filter")) return;
      const levels = [...new Set([...body.rows].map((row) => text(row, place)))];
      const select = document.createElement("select");
      select.append(new Option("all", ""), ...levels.map((level, i) => new Option(level, String(i + 1))));
      add(head.textContent, select, (row) => !select.value || text(row, place) === levels[select.value - 1]);
    });
    const words = document.createElement("input");
    words.type = "search";
    add("Find", words, (row) => row.textContent.toLowerCase().includes(words.value.toLowerCase()));
    tools.append(status);
    figure.insertBefore(tools, figure.querySelector(".scroll"));
    apply();
  }

  for (const figure of document.querySelectorAll("figure.table")) {
    const table = figure.querySelector("table");
    filtering(table, figure);
    sorting(table);
  }

  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
})();
