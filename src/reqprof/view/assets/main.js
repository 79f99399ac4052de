// The page as a whole: a state, what is computed from it, and what is shown of that.

class View {
  constructor() {
    this.state = fromAddress();
    this.trees = new Map(); // by subject, as they were recorded
    this.without = new WeakMap();
    this.flame = new Flame(find("flame"), find("stack"), find("canvas"));
    this.table = new FunctionTable(find("functions"), find("more"), this);
    this.flame.onPick = (hit) => this.pick(hit);
    this.flame.onHover = (hit, x, y) => this.hover(hit, x, y);
    this.flame.onWindow = () => this.keepWindow();
    this.found = { ns: 0, frames: [] };
    this.compute();
  }

  go(changes, isStep = true) {
    // Changes the state, the address and the page; a step is one that Back undoes.
    this.writeWindow();
    const before = this.state;
    const moves = ["subject", "mode", "fn", ...KINDS].some((key) => key in changes);
    if (moves && !("at" in changes)) Object.assign(changes, { at: "", window: "" });
    if ("at" in changes && !("window" in changes)) changes.window = "";
    this.state = { ...before, ...changes };
    if (["stacks", "inverted"].includes(this.state.mode)) this.state.fn = NONE;
    find("tip").hidden = true;
    if ("at" in changes || "fn" in changes) document.querySelector("aside").scrollTop = 0;
    this.update(before, () => {
      const address = toAddress(this.state);
      if (isStep && address !== toAddress(before)) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
    });
  }

  arrive() {
    const before = this.state;
    this.state = fromAddress();
    this.update(before, () => {});
  }

  update(before, write) {
    const changed = (...keys) => keys.some((key) => this.state[key] !== before[key]);
    if (changed("subject", ...KINDS)) this.compute();
    write();
    this.show(changed("mode", "fn", "subject", "direction", ...KINDS));
  }

  compute() {
    const { state } = this;
    if (!this.trees.has(state.subject)) {
      this.trees.set(state.subject, decoded(PROFILE.subjects[state.subject].frames));
    }
    this.simple = simplified(this.trees.get(state.subject), state);
    this.sums = byFunction(this.simple);
    this.isFresh = true;
    // Another subject, or a tree without some library, may lack what the sandwich is of.
    if (state.fn !== NONE && !this.sums.frames[state.fn]) {
      Object.assign(state, { fn: NONE, mode: "stacks", at: "", window: "" });
    }
  }

  panes() {
    const { simple, state: { mode, fn } } = this;
    if (mode === "inverted") return [{ tree: inverted(simple), way: 1 }];
    if (mode === "callers") return [{ tree: callers(simple, fn), way: 1 }];
    if (mode !== "sandwich") return [{ tree: simple, way: 1 }];
    return [{ tree: callees(simple, fn), way: 1 }, { tree: callers(simple, fn), way: -1 }];
  }

  show(isMoved = true) {
    const { state, flame } = this;
    const shade = shadeName(state.theme);
    flame.isIcicle = state.direction === "icicle";
    this.search();
    if (isMoved || !flame.panes.length) this.shown = this.panes();
    flame.show(this.shown, (tree) => painter(state.colour, shade, tree), shade);
    showControls(this, shade);
    showCrumbs(find("crumbs"), this);
    // After all that takes room, for the page is laid out here.
    flame.fit();
    if (isMoved) flame.home();
    this.focus();
    // The lists take as long as the picture, which is what a person waits for.
    clearTimeout(this.listing);
    this.listing = setTimeout(() => requestAnimationFrame(() => this.showLists()));
  }

  showLists() {
    if (this.isFresh) {
      showPlateaus(find("plateaus"), this, false);
      showPlateaus(find("waits"), this, true);
    }
    this.isFresh = false;
    this.table.show();
    document.querySelector("aside").classList.remove("later");
  }

  focus() {
    // Selects the frame of the address and looks at its time, or at the window of the address.
    const { flame, state } = this;
    const i = this.located();
    const [pane] = flame.panes;
    flame.selected = i > 0 || this.state.mode === "sandwich" ? [pane, i] : null;
    const { tree } = pane;
    const [a, b] = state.window.split("..").map(Number);
    if (b > a) flame.zoom(a, b);
    else flame.zoom(...flame.extent(tree, i));
    showDetail(find("detail"), this, tree, i);
    find("spoken").textContent = i > 0 ? `${nameOf(tree.fn[i])}, ${percent(tree.total[i], this.whole)}` : "";
    if (flame.selected) flame.reveal(pane, i);
  }

  located() {
    // The frame that the address names by the functions on its path.
    const { tree } = this.flame.panes[0];
    let i = 0;
    for (const fn of this.state.at.split(".").filter(Boolean)) {
      const below = tree.child(i, Number(fn));
      if (below === NONE) break;
      i = below;
    }
    return i;
  }

  get whole() {
    // What shares are of, in every mode.
    return this.simple.total[0];
  }

  functionInHand() {
    // The selected frame's function, or the one that was chosen before.
    const { tree } = this.flame.panes[0];
    const i = this.located();
    return i > 0 && isFunction(tree.fn[i]) ? tree.fn[i] : this.state.fn;
  }

  fns(tree, i) {
    return tree.path(i).slice(1).map((each) => tree.fn[each]).join(".");
  }

  pick(hit) {
    if (!hit) return;
    const [pane, i] = hit;
    if (pane.way < 0) this.go({ mode: "sandwich", fn: pane.tree.fn[i] });
    else this.go({ at: this.fns(pane.tree, i) });
  }

  select(i) {
    // As picking does, without the zoom.
    const { tree } = this.flame.panes[0];
    const [a, b] = this.flame.window;
    this.go({ at: this.fns(tree, i), window: windowText(a, b) }, false);
  }

  hover(hit, x, y) {
    const tip = find("tip");
    tip.hidden = !hit;
    if (hit) showTip(tip, hit[0].tree, hit[1], this.whole, x, y);
    this.flame.canvas.style.cursor = hit ? "pointer" : "default";
  }

  keepWindow() {
    const [a, b] = this.flame.window;
    this.state = { ...this.state, window: windowText(a, b) };
    if (a <= 0 && b >= 1 && !this.state.at) this.state.window = "";
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.writeWindow(), 200);
  }

  writeWindow() {
    // Into the address, when the window has come to rest.
    if (!this.keeping) return;
    clearTimeout(this.keeping);
    this.keeping = 0;
    history.replaceState(null, "", toAddress(this.state));
  }

  search() {
    const { query } = this.state;
    this.matches = null;
    this.wrong = "";
    if (query) {
      try {
        const pattern = new RegExp(query, /[A-Z]/.test(query) ? "u" : "iu");
        this.matches = Uint8Array.from(FN, (fn, index) => Number(
          isFunction(index) && (pattern.test(fn.label) || pattern.test(fn.where)),
        ));
      } catch (error) {
        this.wrong = error.message.replace(/^.*: /s, "");
      }
    }
    this.found = this.matches ? matching(this.simple, this.matches) : { ns: 0, frames: [] };
    this.flame.matches = this.matches;
  }

  nextMatch(step) {
    if (!this.matches) return;
    const { frames } = matching(this.flame.panes[0].tree, this.matches);
    if (!frames.length) return;
    const { tree } = this.flame.panes[0];
    const isSame = this.searched === this.state.query && this.turnedIn === tree;
    this.turn = isSame ? (this.turn + step + frames.length) % frames.length : 0;
    this.searched = this.state.query;
    this.turnedIn = tree;
    this.go({ at: this.fns(tree, frames[this.turn]) });
  }

  untraced(tree) {
    if (!PROFILE.costed || !this.shown.some((pane) => pane.tree === tree)) return null;
    if (!["stacks", "sandwich"].includes(this.state.mode)) return null;
    if (!this.without.has(tree)) this.without.set(tree, tree.untraced());
    return this.without.get(tree);
  }
}

function windowText(a, b) {
  return `${Number(a.toPrecision(12))}..${Number(b.toPrecision(12))}`;
}

function followDensity(flame) {
  // A query is of one density, so each change needs another.
  const query = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
  query.addEventListener("change", () => {
    flame.fit();
    followDensity(flame);
  }, { once: true });
}

performance.mark("reqprof-start");
const view = new View();
offerChoices(view);
view.show();
listenToKeys(view);
addEventListener("hashchange", () => view.arrive());
addEventListener("popstate", () => view.arrive());
isDarkSystem.addEventListener("change", () => view.show(false));
followDensity(view.flame);
requestAnimationFrame(() => performance.measure("reqprof-drawn", "reqprof-start"));
