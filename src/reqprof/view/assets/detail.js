// The panel about the selected frame, and the tip about the one below the pointer.

function showTip(tip, tree, i, whole, x, y) {
  const fn = tree.fn[i];
  const facts = [`total ${seconds(tree.total[i])} (${percent(tree.total[i], whole)})`];
  if (fn !== REST) facts.push(`self ${seconds(tree.self[i])}`);
  if (tree.calls[i]) facts.push(callsInWords(fn, tree.calls[i]));
  tip.replaceChildren(element("b", {}, nameOf(fn)));
  for (const line of [FN[fn].place, facts.join(", "), tree.exact[i] ? "" : doubtInWords(tree, i)]) {
    if (line) tip.append(element("div", {}, line));
  }
  tip.hidden = false;
  const room = tip.parentElement;
  const beside = x + 14 + tip.offsetWidth <= room.clientWidth ? x + 14 : x - 14 - tip.offsetWidth;
  const below = y + 18 + tip.offsetHeight <= room.clientHeight ? y + 18 : y - 10 - tip.offsetHeight;
  tip.style.left = `${Math.max(0, beside)}px`;
  tip.style.top = `${Math.max(0, below)}px`;
}

function showDetail(panel, view, tree, i) {
  const fn = tree.fn[i];
  const { sums, whole } = view;
  const share = (ns) => `${seconds(ns)} (${percent(ns, whole)})`;
  const facts = [["total", share(tree.total[i])]];
  // Where callers stand on top, what is left of a frame is no time of its own.
  const isUsual = ["stacks", "sandwich"].includes(view.state.mode);
  if (fn !== REST && isUsual) facts.push(["self", share(tree.self[i])]);
  if (tree.calls[i]) {
    facts.push([isWait(fn) && !SAMPLED ? "times" : `${PROFILE.noun}s`, count(tree.calls[i])]);
    if (i && !SAMPLED) facts.push(["per call", seconds(tree.total[i] / tree.calls[i])]);
  }
  const without = view.untraced(tree);
  if (without) facts.push(["untraced", `about ${seconds(without[i])}, an estimate`]);
  facts.push(["stack", doubtInWords(tree, i)]);
  panel.replaceChildren(element("h2", {}, nameOf(fn)), listed(facts));
  if (FN[fn].where) panel.append(whereabouts(FN[fn].where));
  if (!isFunction(fn)) return;
  const everywhere = [
    ["self", share(sums.self[fn])], ["total", share(sums.total[fn])],
    [`${PROFILE.noun}s`, count(sums.calls[fn])], ["frames", count(sums.frames[fn])],
  ];
  panel.append(element("h2", {}, "In the whole picture"), listed(everywhere), choices(view, fn));
  panel.append(...callersListed(view, fn), ...sourceOf(fn));
}

function listed(facts) {
  const list = element("dl");
  for (const [name, value] of facts) list.append(element("dt", {}, name), element("dd", {}, value));
  return list;
}

function whereabouts(where) {
  const text = element("code", { class: "where" }, where);
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(where);
      copy.textContent = "Copied";
    } catch {
      // Without leave to write the clipboard, the text is selected for the person to copy.
      getSelection().selectAllChildren(text);
    }
  }, { "aria-label": `Copy ${where}` });
  return element("div", { class: "buttons" }, text, copy);
}

function choices(view, fn) {
  return element(
    "div", { class: "buttons" },
    button("Sandwich", () => view.go({ mode: "sandwich", fn })),
    button("Callers", () => view.go({ mode: "callers", fn })),
    button("Mark all", () => view.go({ query: `^${escaped(FN[fn].label)}$` })),
  );
}

function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function callersListed(view, fn) {
  const found = new Map();
  const { simple } = view;
  outermost(simple, (i) => {
    if (simple.fn[i] !== fn || simple.parent[i] <= 0) return;
    const caller = simple.fn[simple.parent[i]];
    found.set(caller, (found.get(caller) || 0) + simple.total[i]);
  });
  if (!found.size) return [];
  const list = element("ul");
  for (const [caller, ns] of [...found].sort((a, b) => b[1] - a[1]).slice(0, 8)) {
    list.append(element(
      "li", {},
      element("span", { class: "share" }, `${percent(ns, view.sums.total[fn])} `),
      link(FN[caller].label, () => view.go({ mode: "sandwich", fn: caller })),
    ));
  }
  return [element("h2", {}, "Called by"), list];
}

function sourceOf(fn) {
  const source = (PROFILE.source || {})[fn];
  if (!source) return [];
  const width = String(source.first + source.lines.length).length;
  const text = source.lines
    .map((line, k) => `${String(source.first + k).padStart(width)}  ${line}`)
    .join("\n");
  return [
    element("h2", {}, "Source"),
    element("pre", { tabindex: 0, "aria-label": "Source", role: "region" }, text),
  ];
}
