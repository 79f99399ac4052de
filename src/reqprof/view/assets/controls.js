// The row of tools, the breadcrumb and the keys.

function offerChoices(view) {
  offerSubjects(find("subject"));
  find("subjects").hidden = PROFILE.subjects.length < 2;
  const on = (id, event, change, isStep) => find(id).addEventListener(
    event, (happened) => view.go(change(happened.target), isStep),
  );
  on("subject", "change", (target) => ({ subject: Number(target.value) }));
  on("colour", "change", (target) => ({ colour: target.value }), false);
  on("search", "input", (target) => ({ query: target.value }), false);
  on("mode", "change", (target) => ({ mode: target.value, fn: view.functionInHand() }));
  for (const choice of document.querySelectorAll("#library select")) {
    choice.append(...TREATMENTS.map((how) => element("option", {}, how)));
    choice.addEventListener("change", () => view.go({ [choice.dataset.kind]: choice.value }));
  }
  find("direction").addEventListener("click", () => view.go(turned(view), false));
  find("theme").addEventListener("click", () => view.go(nextTheme(view), false));
  find("help").addEventListener("click", () => find("keys").showModal());
  find("previous").addEventListener("click", () => view.nextMatch(-1));
  find("next").addEventListener("click", () => view.nextMatch(1));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#library")) find("library").open = false;
  });
}

function offerSubjects(choice) {
  const groups = new Map();
  PROFILE.subjects.forEach(({ group, name }, index) => {
    if (!groups.has(group)) {
      groups.set(group, group ? choice.appendChild(element("optgroup", { label: group })) : choice);
    }
    groups.get(group).append(element("option", { value: index }, name));
  });
}

function turned(view) {
  return { direction: view.state.direction === "flame" ? "icicle" : "flame" };
}

function nextTheme(view) {
  const order = ALLOWED.theme;
  return { theme: order[(order.indexOf(view.state.theme) + 1) % order.length] };
}

function showControls(view, shade) {
  const { state } = view;
  if (state.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
  find("subject").value = state.subject;
  showNotes(view);
  const fn = view.functionInHand();
  find("mode").value = state.mode;
  for (const option of find("mode").options) {
    option.disabled = fn === NONE && ["sandwich", "callers"].includes(option.value);
  }
  find("colour").value = state.colour;
  for (const choice of document.querySelectorAll("#library select")) {
    choice.value = state[choice.dataset.kind];
  }
  find("direction").textContent = state.direction === "flame" ? "Flame ↑" : "Icicle ↓";
  find("theme").textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[state.theme];
  find("theme").setAttribute("aria-label", `Colours: ${state.theme}`);
  showSearch(view);
  showLegend(view, shade);
  const { tree } = view.flame.panes[0];
  find("canvas").setAttribute(
    "aria-label",
    `${PROFILE.subjects[state.subject].name}: ${seconds(tree.total[0])}, ${count(tree.size)} frames. `
      + "Arrow keys select, Enter zooms.",
  );
}

function showNotes(view) {
  // The notes of the file are about all requests.
  const { group, name, trust } = PROFILE.subjects[view.state.subject];
  for (const note of document.querySelectorAll(".notes p:not([id])")) note.hidden = Boolean(group);
  find("trust").textContent = group ? `${name}: ${seconds(view.whole)}. ${trust}` : trust;
}

function showSearch(view) {
  const field = find("search");
  if (document.activeElement !== field) field.value = view.state.query;
  field.setAttribute("aria-invalid", String(Boolean(view.wrong)));
  const matched = find("matched");
  matched.className = view.wrong ? "bad" : "";
  const share = percent(view.found.ns, view.whole);
  const said = view.found.frames.length ? `${share} matched` : "no match";
  matched.textContent = view.wrong || (view.matches ? said : "");
  for (const id of ["previous", "next"]) find(id).hidden = !view.found.frames.length;
}

function showLegend(view, shade) {
  const legend = find("legend");
  legend.replaceChildren(...legendOf(view.state.colour, shade, view.sums).map(([name, fill]) => {
    const swatch = element("canvas", { width: 12, height: 12, "aria-hidden": "true" });
    const context = swatch.getContext("2d");
    context.fillStyle = fill;
    context.fillRect(0, 0, 12, 12);
    return element("li", {}, swatch, name);
  }));
}

function showCrumbs(nav, view) {
  const { tree } = view.flame.panes[0];
  const path = tree.path(view.located());
  nav.replaceChildren();
  path.forEach((i, k) => {
    const name = FN[tree.fn[i]].short;
    if (k) nav.append(" › ");
    if (k === path.length - 1) nav.append(element("span", { "aria-current": "true" }, name));
    else nav.append(button(name, () => view.go({ at: view.fns(tree, i) })));
  });
  nav.scrollTop = nav.scrollHeight;
}

function listenToKeys(view) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open) return;
    const { target } = event;
    if (event.key === "Escape" && find("library").open) {
      find("library").open = false;
      find("library").firstElementChild.focus();
      return;
    }
    if (target === find("search")) {
      if (event.key === "Enter") view.nextMatch(event.shiftKey ? -1 : 1);
      else if (event.key !== "Escape") return;
      if (event.key === "Escape") leaveSearch(view);
      event.preventDefault();
      return;
    }
    if (target.closest("select, input, [role=region]") && event.key.startsWith("Arrow")) return;
    if (target.closest("select")) return;
    if (target.closest("button, summary, a") && ["Enter", " "].includes(event.key)) return;
    const act = actionOf(view, event.key);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function leaveSearch(view) {
  find("search").value = "";
  view.go({ query: "" }, false);
  find("canvas").focus();
}

function actionOf(view, key) {
  const { flame, state } = view;
  const { tree } = flame.panes[0];
  const i = view.located();
  const fn = view.functionInHand();
  const up = state.direction === "flame" ? "ArrowUp" : "ArrowDown";
  const actions = {
    [up]: () => i + 1 < tree.end[i] && view.select(i + 1),
    [up === "ArrowUp" ? "ArrowDown" : "ArrowUp"]: () => descend(view, tree, i),
    ArrowRight: () => view.select(tree.beside(i, 1)),
    ArrowLeft: () => view.select(tree.beside(i, -1)),
    Enter: () => view.go({ at: view.fns(tree, i), window: "" }),
    Backspace: () => i > 0 && view.go({ at: view.fns(tree, tree.parent[i]) }),
    Escape: () => view.go(state.at || state.window ? { at: "" } : { mode: "stacks" }),
    0: () => view.go({ at: "" }),
    "+": () => flame.zoomAt(flame.width / 2, 0.6),
    "=": () => flame.zoomAt(flame.width / 2, 0.6),
    "-": () => flame.zoomAt(flame.width / 2, 1 / 0.6),
    "/": () => find("search").select(), // which focuses it too
    n: () => view.nextMatch(1),
    N: () => view.nextMatch(-1),
    s: () => fn !== NONE && view.go({ mode: "sandwich", fn }),
    c: () => fn !== NONE && view.go({ mode: "callers", fn }),
    v: () => view.go({ mode: state.mode === "inverted" ? "stacks" : "inverted" }),
    a: () => view.go({ mode: "stacks" }),
    f: () => view.go(turned(view), false),
    d: () => view.go(nextTheme(view), false),
    "?": () => find("keys").showModal(),
  };
  return actions[key];
}

function descend(view, tree, i) {
  // To the frame below; from the middle of a sandwich to the widest caller.
  const callersPane = view.flame.panes[1];
  if (i > 0) view.select(tree.parent[i]);
  else if (callersPane && callersPane.tree.size > 1) {
    view.go({ mode: "sandwich", fn: callersPane.tree.fn[1] });
  }
}
