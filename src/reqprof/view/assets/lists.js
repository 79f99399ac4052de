// Beside the picture: the widest plateaus, and the table of all functions.

const ROWS = 100;
const PLATEAUS = 10;
const STACKS = 3;

function showPlateaus(list, view, waits) {
  const { simple, whole } = view;
  const found = plateausOf(simple, waits, PLATEAUS);
  list.parentElement.hidden = waits && !found.length;
  list.replaceChildren(...found.map(({ fn, ns, frames }) => {
    const bar = element("div", { class: "bar" });
    bar.style.width = `${100 * ns / (whole || 1)}%`;
    const more = frames.length - STACKS;
    return element(
      "li", {},
      link(FN[fn].label, () => view.go({ mode: "sandwich", fn })), " ",
      element("span", { class: "share" }, `${percent(ns, whole)}, ${seconds(ns)}`),
      bar,
      ...frames.slice(0, STACKS).map((i) => stackLine(view, i, waits)),
      more > 0 ? element("div", { class: "stack" }, `and ${count(more)} more stack${more > 1 ? "s" : ""}`) : "",
    );
  }));
}

function stackLine(view, i, waits) {
  const { simple } = view;
  const names = brief(simple.path(waits ? simple.parent[i] : i).slice(1).map((each) => simple.fn[each]));
  return element(
    "div", { class: "stack" },
    `${seconds(simple.self[i])} `,
    link(names.join(" → ") || "at the root", () => view.go({ mode: "stacks", at: view.fns(simple, i) })),
  );
}

function brief(fns) {
  // The app's own frames and the last one's caller; an ellipsis stands for others.
  const last = fns.length - 1;
  const kept = fns.map((fn, k) => k >= last - 1 || FN[fn].package.kind === "app");
  const names = [];
  fns.slice(0, last).forEach((fn, k) => {
    if (kept[k]) names.push(FN[fn].short);
    else if (names[names.length - 1] !== "…") names.push("…");
  });
  return names.length > 7 ? ["…", ...names.slice(-6)] : names;
}

class FunctionTable {
  constructor(table, more, view) {
    Object.assign(this, { table, more, view, limit: ROWS });
    for (const head of table.querySelectorAll("[data-sort]")) {
      head.addEventListener("click", () => {
        const key = head.dataset.sort;
        const { sort } = view.state;
        const turned = sort === key ? `-${key}` : key;
        view.go({ sort: turned }, false);
      });
    }
    more.addEventListener("click", () => {
      this.limit = Infinity;
      this.show();
    });
  }

  show() {
    const { view } = this;
    const key = view.state.sort.replace("-", "");
    const way = view.state.sort.startsWith("-") ? -1 : 1;
    const fns = this.chosen().sort((a, b) => way * this.compare(key, a, b) || a - b);
    this.heads(key, way);
    const body = this.table.tBodies[0];
    body.replaceChildren(...fns.slice(0, this.limit).map((fn) => this.row(fn)));
    this.more.hidden = fns.length <= this.limit;
    this.more.textContent = `Show all ${count(fns.length)} functions`;
  }

  chosen() {
    const { sums, matches } = this.view;
    const found = [];
    for (let fn = 0; fn < FUNCTIONS; fn++) {
      if (sums.frames[fn] && isFunction(fn) && (!matches || matches[fn])) found.push(fn);
    }
    return found;
  }

  compare(key, a, b) {
    const { sums } = this.view;
    if (key === "name") return FN[a].label < FN[b].label ? -1 : Number(FN[a].label > FN[b].label);
    return sums[key][b] - sums[key][a];
  }

  heads(key, way) {
    for (const head of this.table.querySelectorAll("[data-sort]")) {
      const cell = head.closest("th");
      if (head.dataset.sort !== key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", (key === "name") === (way > 0) ? "ascending" : "descending");
    }
  }

  row(fn) {
    const { view } = this;
    const { sums } = view;
    const guess = sums.exact[fn] ? "" : "~";
    const name = link(FN[fn].label, () => view.go({ mode: "sandwich", fn }), {
      title: "Sandwich: its callers and callees",
    });
    return element(
      "tr", view.state.fn === fn ? { class: "chosen" } : {},
      element("td", { class: "n" }, guess + seconds(sums.self[fn])),
      element("td", { class: "n" }, guess + seconds(sums.total[fn])),
      element("td", { class: "n" }, guess + count(sums.calls[fn])),
      element("td", {}, name, element("small", {}, FN[fn].place)),
    );
  }
}
