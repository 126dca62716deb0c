"use strict";
(() => {
  const documents = JSON.parse(document.getElementById("data").textContent);
  const find = (name) => document.getElementById(name);
  const list = find("list"), view = find("document"), count = find("count");
  const filters = { decision: find("decision"), domain: find("domain"), operation: find("operation") };
  // What a comparison of two runs says of a line.
  const WHO = { kept: "", both: "both", first: "the first alone", second: "the second alone",
    "edited-otherwise": "edited in two ways", "first-edits": "edited by the first", "second-edits": "edited by the second" };
  const UNEDITED = ["kept", "both", "gap", "dropped-line"];
  let shown = [], current = -1, edit = null;

  // All text of documents goes through here, as text and never as markup.
  const make = (tag, text, ...classes) => {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    if (classes.length) element.classList.add(...classes);
    return element;
  };

  const values = (each, name) => {
    if (name === "operation") return each.operations;
    return each[name] ? [each[name]] : [];
  };

  for (const [name, select] of Object.entries(filters)) {
    const counts = new Map();
    for (const each of documents) for (const value of values(each, name)) counts.set(value, (counts.get(value) || 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    for (const [value, number] of sorted) {
      const option = make("option", `${value} (${number})`);
      option.value = value;
      select.append(option);
    }
    if (!counts.size) select.parentElement.hidden = true;
    select.addEventListener("change", () => choose(true));
  }
  find("query").addEventListener("input", () => choose(true));
  find("filters").addEventListener("submit", (event) => event.preventDefault());

  const textOf = (each) => {
    if (each.found === undefined) {
      const parts = [each.id, each.program];
      for (const row of each.lines || []) {
        parts.push(typeof row[3] === "string" ? row[3] : row[3].map((piece) => piece[0]).join(""));
        if (row.length > 4) parts.push(row[4]);
      }
      each.found = parts.join("\n").toLowerCase();
    }
    return each.found;
  };

  const amounts = (each) => {
    const left = [each.after, each.after_second].filter((words) => words !== undefined);
    return `${each.before.toLocaleString("en")} → ${left.map((words) => words.toLocaleString("en")).join(" / ")} words`;
  };

  function choose(asked = false) {
    const query = find("query").value.trim().toLowerCase();
    shown = documents.filter((each) =>
      Object.entries(filters).every(([name, select]) => !select.value || values(each, name).includes(select.value)) &&
      (!query || textOf(each).includes(query)));
    count.textContent = `${shown.length} of ${documents.length}`;
    list.replaceChildren(...shown.map((each, place) => {
      const item = make("li");
      item.id = `item-${place}`;
      item.setAttribute("role", "option");
      item.append(make("b", each.decision, each.decision.split(" ")[0]), make("span", each.id), make("small", amounts(each)));
      item.addEventListener("click", () => show(place));
      return item;
    }));
    current = -1;
    if (shown.length) show(Math.max(0, shown.findIndex((each) => each.decision === "edited")), asked);
    else {
      view.replaceChildren(make("p", documents.length ? "No document fits these filters." : view.dataset.none));
      if (asked) history.replaceState(null, "", "#documents");
    }
  }

  function show(place, named = true) {
    if (place < 0 || place >= shown.length) return;
    if (current >= 0) list.children[current]?.removeAttribute("aria-selected");
    current = place;
    const item = list.children[place];
    item.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", item.id);
    list.scrollTop = Math.max(0, item.offsetTop - list.offsetTop - list.clientHeight / 3);
    const each = shown[place];
    view.replaceChildren(...page(each));
    view.scrollTop = 0;
    edit = null;
    if (named) history.replaceState(null, "", "#d=" + encodeURIComponent(each.anchor));
  }

  function page(each) {
    const head = make("h3", each.id);
    const facts = [each.decision, amounts(each)];
    if (each.score !== null) facts.push(`keep score ${each.score.toFixed(2)}`);
    for (const name of ["domain", "language", "place"]) if (each[name]) facts.push(each[name]);
    const parts = [head, make("p", facts.join(" · "), "facts")];
    if (each.reason) parts.push(make("p", each.reason, "reason"));
    for (const failure of each.failures) parts.push(make("p", `not carried out: ${failure}`, "reason"));
    if (each.program) {
      const details = make("details");
      details.open = each.program.length < 600;
      details.append(make("summary", "program"), make("pre", each.program));
      parts.push(details);
    }
    if (each.lines === null) {
      parts.push(make("p", each.decision === "quarantined" ? "What could not be read is in quarantine/, whole." : "The raw text could not be read again, or is too long to be shown."));
      return parts;
    }
    const caption = make("caption", "raw and refined, line by line", "hidden");
    const titles = make("tr");
    const two = each.after_second !== undefined;
    const table = make("table", null, "lines", ...(two ? ["two"] : []));
    for (const title of two ? ["line", "", "raw", "who removes it"] : ["line", "noise", "raw", "refined"]) {
      const cell = make("th", title);
      cell.scope = "col";
      titles.append(cell);
    }
    const top = make("thead");
    top.append(titles);
    const body = make("tbody");
    for (const row of each.lines) body.append(line(row, each.decision === "dropped", two));
    table.append(caption, top, body);
    parts.push(table);
    return parts;
  }

  function line([number, fate, score, raw, refined], dropped, two) {
    const row = make("tr", null, dropped ? "dropped-line" : fate);
    if (fate !== "gap") row.dataset.line = number;
    if (fate === "gap") {
      const cell = make("td", `… ${number.toLocaleString("en")} more lines${raw ? `, ${raw}` : ""}`);
      cell.colSpan = 4;
      row.append(cell);
      return row;
    }
    row.append(make("td", number < 0 ? "" : number, "number"), make("td", score === null ? "" : (score / 100).toFixed(2), "score"));
    const before = make("td"), after = make("td");
    before.dir = after.dir = "auto";
    if (two) {
      before.textContent = raw;
      row.append(before, make("td", WHO[fate], "who"));
      return row;
    }
    if (fate === "removed") before.append(make("del", raw));
    else if (fate === "changed") {
      for (const [piece, stays] of raw) before.append(stays ? document.createTextNode(piece) : make("mark", piece));
      after.textContent = refined;
    } else if (fate === "added") after.append(make("ins", refined));
    else before.textContent = after.textContent = raw;
    row.append(before, after);
    return row;
  }

  function named() {
    const match = /^#(?:l=(-?[0-9]+)&)?d=(.*)$/.exec(location.hash);
    if (!match) return;
    let id = match[2];
    try { id = decodeURIComponent(id); } catch { return; }
    if (!shown.some((each) => each.anchor === id)) {
      for (const select of Object.values(filters)) select.value = "";
      find("query").value = "";
      choose();
    }
    const place = shown.findIndex((each) => each.anchor === id);
    find("documents").scrollIntoView();
    if (place < 0) {
      view.replaceChildren(make("p", `“${id}” is not among the ${documents.length} documents of this page.`));
      return;
    }
    show(place, false);
    const pointed = match[1] && view.querySelector(`tr[data-line="${match[1]}"]`);
    if (pointed) point(pointed);
  }

  function point(row) {
    edit?.classList.remove("pointed");
    edit = row;
    row.classList.add("pointed");
    row.scrollIntoView({ block: "center" });
  }

  // Rows that follow one another are one edit.
  function toEdit(step) {
    const rows = [...view.querySelectorAll("tbody tr")];
    const isEdit = (row) => row && !UNEDITED.some((name) => row.classList.contains(name));
    const begins = rows.filter((row, place) => isEdit(row) && !isEdit(rows[place - 1]));
    const from = edit ? rows.indexOf(edit) : -1;
    const next = step > 0 ? begins.find((row) => rows.indexOf(row) > from) : begins.findLast((row) => rows.indexOf(row) < from);
    if (next) point(next);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const inList = event.target === list;
    if (event.key === "j" || (inList && event.key === "ArrowDown")) show(current + 1);
    else if (event.key === "k" || (inList && event.key === "ArrowUp")) show(current - 1);
    else if (event.key === "n") toEdit(1);
    else if (event.key === "p") toEdit(-1);
    else if (event.key === "/") find("query").focus();
    else return;
    event.preventDefault();
    if (!["/", "n", "p"].includes(event.key)) view.scrollIntoView({ block: "nearest" });
  });
  window.addEventListener("hashchange", named);
  choose();
  named();
})();
