// Filters, search and pages over the example rows. The rows are data: they reach the page as text nodes alone.
"use strict";
(() => {
  const PAGE_SIZE = 20;
  const TYPING_PAUSE = 150; // milliseconds
  const LEAST_SIZE_FOR_PAUSE = 500; // rows; fewer are filtered at once
  const TASK = 0, ID = 1, FLAGS = 2, INPUT = 3, REFERENCES = 4, ANSWERS = 5, SCORES = 6;
  const RIGHT_BEFORE = 1, RIGHT_AFTER = 2;

  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("examples-data").textContent);
  const compared = data.before !== null;
  const form = find("filters"), list = find("example-list"), count = find("example-count");
  const task = find("filter-task"), search = find("filter-text"), order = find("filter-order");
  const buttons = [...document.querySelectorAll("[data-go]")];
  let matching = [], page = 0, query = "", timer = 0;

  const answerOf = (row, number) => {
    const answer = row[ANSWERS][number];
    return typeof answer === "number" ? row[ANSWERS][answer] : answer; // equal answers are stored once
  };
  const counted = (number) => number.toLocaleString("en");
  const gainOf = (row) => row[SCORES][data.after] - (compared ? row[SCORES][data.before] : 0);

  let haystacks = null; // made at the first search
  const haystack = (number) => {
    haystacks ??= data.rows.map((row) =>
      [row[INPUT], ...row[REFERENCES], ...row[ANSWERS].filter((text) => typeof text === "string"), row[ID]]
        .join("\n").toLowerCase());
    return haystacks[number];
  };

  function filter() {
    query = search.value.trim().toLowerCase();
    const wanted = task.value === "" ? -1 : data.tasks.indexOf(task.value);
    const here = data.rows.filter((row, number) =>
      (wanted < 0 || row[TASK] === wanted) && (query === "" || haystack(number).includes(query)));
    for (const [key, [needs, excludes]] of Object.entries(data.outcomes)) {
      const found = here.filter((row) => (row[FLAGS] & needs) === needs && !(row[FLAGS] & excludes));
      form.querySelector(`[data-count="${key}"]`).textContent = counted(found.length);
      if (key === form.elements.outcome.value) matching = found;
    }
    if (order.value !== "file") {
      const sign = order.value === "gain" ? -1 : 1;
      matching.sort((one, other) => sign * (gainOf(one) - gainOf(other)));
    }
    page = 0;
    show();
  }

  function show() {
    const last = Math.max(Math.ceil(matching.length / PAGE_SIZE) - 1, 0);
    const first = page * PAGE_SIZE, here = matching.slice(first, first + PAGE_SIZE);
    const advice = "No row is like that. Choose another outcome or task, or clear the text.";
    list.replaceChildren(...(here.length ? here.map(card) : [make("p", "card nothing", advice)]));
    const range = here.length ? `, ${counted(first + 1)} to ${counted(first + here.length)} shown` : "";
    count.textContent = `${counted(matching.length)} of ${counted(data.rows.length)} rows${range}`;
    document.querySelector("[data-page]").textContent = `Page ${counted(page + 1)} of ${counted(last + 1)}`;
    for (const button of buttons) {
      const back = button.dataset.go === "first" || button.dataset.go === "previous";
      button.setAttribute("aria-disabled", String(page === (back ? 0 : last)));
    }
  }

  function go(where) {
    const last = Math.max(Math.ceil(matching.length / PAGE_SIZE) - 1, 0);
    const target = { first: 0, previous: page - 1, next: page + 1, last }[where];
    if (target === page || target < 0 || target > last) return false;
    page = target;
    show();
    return true;
  }

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function written(tag, className, text) { // a row's text, in its own direction, with what was searched for marked
    const element = make(tag, className);
    element.dir = "auto";
    const lower = text.toLowerCase();
    let from = 0;
    if (query !== "" && lower.length === text.length) {
      for (let at = lower.indexOf(query); at >= 0; at = lower.indexOf(query, from)) {
        element.append(text.slice(from, at), make("mark", "", text.slice(at, at + query.length)));
        from = at + query.length;
      }
    }
    element.append(text.slice(from));
    return element;
  }

  function card(row) {
    const article = make("article", "card example");
    const head = make("header");
    head.append(make("h3", "", data.tasks[row[TASK]]), badge(row), written("span", "soft id", row[ID]));
    const reference = make("p");
    reference.append(make("strong", "", row[REFERENCES].length > 1 ? "References: " : "Reference: "));
    row[REFERENCES].forEach((text, number) => {
      if (number) reference.append(" | ");
      reference.append(written("span", "text", text));
    });
    const beside = make("div");
    beside.append(reference, answers(row));
    article.append(head, written("div", "text input", row[INPUT]), beside);
    return article;
  }

  function badge(row) {
    const word = (right) => (row[FLAGS] & right ? "right" : "wrong");
    if (!compared) return make("span", "badge", word(RIGHT_AFTER));
    const gain = gainOf(row);
    const change = gain > 0 ? "better" : gain < 0 ? "worse" : "";
    const size = gain === 0 ? "" : ` (${gain > 0 ? "+" : "\u2212"}${Math.abs(gain).toFixed(3)})`;
    return make("span", `badge ${change}`, `${word(RIGHT_BEFORE)} \u2192 ${word(RIGHT_AFTER)}${size}`);
  }

  function answers(row) {
    const table = make("table", "answers"), body = table.createTBody();
    const titles = table.createTHead().insertRow();
    for (const [name, className] of [["Variant", ""], ["score", "number"], ["answer", ""]]) {
      const title = make("th", className, name);
      title.scope = "col";
      titles.append(title);
    }
    data.variants.forEach((name, number) => {
      const line = body.insertRow(), score = row[SCORES][number], text = answerOf(row, number);
      const title = make("th", "", name), cell = make("td");
      title.scope = "row";
      if (score >= 1) line.className = "right";
      cell.append(text === "" ? make("span", "soft", "(empty)") : written("div", "text", text));
      line.append(title, make("td", "number", score.toFixed(3)), cell);
    });
    return table;
  }

  for (const button of buttons) {
    button.addEventListener("click", () => {
      if (go(button.dataset.go)) list.scrollIntoView();
    });
  }
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(filter, data.rows.length < LEAST_SIZE_FOR_PAUSE ? 0 : TYPING_PAUSE);
  });
  form.addEventListener("change", (event) => {
    if (event.target !== search) filter();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter)); // after the fields are empty
  for (const name of document.querySelectorAll('#score-table tbody th[scope="row"]')) {
    const link = make("a");
    link.href = "#examples";
    link.title = "Show its examples";
    link.append(...name.childNodes);
    link.addEventListener("click", () => {
      form.elements.outcome[0].checked = true;
      search.value = "";
      task.value = link.textContent;
      filter();
    });
    name.append(link);
  }
  find("explorer").hidden = false;
  filter();
})();
