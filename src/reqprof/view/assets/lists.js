// Beside the picture: the widest plateaus, and the table of all functions.

const ROWS = 100;
const PLATEAUS = 10;
const STACKS = 3;
const MOST = 7; // callers that a person still reads as one stack
const FOREIGN = 5; // of a stack without own code, the last one counted in

function showPlateaus(list, view, waits) {
  const { simple, whole } = view;
  const found = plateausOf(simple, waits, PLATEAUS);
  list.parentElement.hidden = !found.length;
  list.replaceChildren(...found.map(({ fn, ns, guessed, frames }) => {
    const bar = element("div", { class: "bar" });
    bar.style.width = `${100 * ns / (whole || 1)}%`;
    const more = frames.length - STACKS;
    return element(
      "li", {},
      link(FN[fn].label, () => view.go({ mode: "sandwich", fn })), " ",
      element("span", { class: "share" }, `${percent(ns, whole)}, ${guessed ? "~" : ""}${seconds(ns)}`),
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
  // The callers that tell most, as the command chooses them: the app's own and what the last of
  // them called, or the nearest; an ellipsis stands for others.
  const last = fns.length - 1;
  let kept = fns.map((fn, k) => k).filter((k) => FN[fns[k]].package.kind === "app");
  while (kept.length && FN[fns[kept[0]]].short === "__call__") kept.shift();
  if (kept.length) kept.push(kept.at(-1) + 1);
  else kept = fns.map((fn, k) => k).slice(-FOREIGN);
  kept = kept.filter((k) => k < last);
  if (!kept.length && last > 0) kept = [last - 1];
  if (kept.length > MOST) kept.splice(1, kept.length - MOST);
  return kept.flatMap((k, place) => {
    const next = place + 1 < kept.length ? kept[place + 1] : last;
    return next > k + 1 ? [FN[fns[k]].short, "…"] : [FN[fns[k]].short];
  });
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
      const isWanted = matches ? matches[fn] : isFunction(fn) || fn === REST;
      if (sums.frames[fn] && isWanted) found.push(fn);
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
    const figure = (text) => element("td", { class: "n" }, guess + text);
    return element(
      "tr", view.state.fn === fn ? { class: "chosen" } : {},
      figure(seconds(sums.self[fn])),
      figure(seconds(sums.total[fn])),
      fn === REST ? element("td") : figure(count(sums.calls[fn])),
      element("td", {}, this.name(fn), element("small", {}, ...breakable(FN[fn].place))),
    );
  }

  name(fn) {
    if (fn === REST) return nameOf(fn);
    const name = link("", () => this.view.go({ mode: "sandwich", fn }), {
      title: "Sandwich: its callers and callees",
    });
    name.append(...breakable(FN[fn].label));
    return name;
  }
}
