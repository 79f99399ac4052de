// The picture: frames on a canvas, the window of time that is looked at, and what points at them.

const ROW = 18;
const FONT = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const NARROW = 1.5; // pixels: narrower frames of a row are drawn as one
const SHORTEST = 4; // characters of a cut name, fewer tell nothing
const CLOSEST = 2000; // pixels that a nanosecond may be wide, in millions

class Flame {
  // Panes are trees over one another: callees with rows 0, 1, ... and callers with -1, -2, ...
  constructor(host, stack, canvas) {
    Object.assign(this, { host, stack, canvas });
    this.context = canvas.getContext("2d");
    this.panes = [];
    this.window = [0, 1];
    this.isIcicle = false;
    this.selected = null;
    this.matches = null;
    this.onPick = () => {};
    this.onHover = () => {};
    this.onWindow = () => {};
    this.pending = 0;
    host.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.isResized() && this.fit()).observe(host);
    this.pointers = new Pointers(this);
  }

  show(panes, paint, shade) {
    // Each pane has a tree and a direction: 1 for callees, -1 for callers. To be fitted then.
    this.panes = panes.map((pane) => ({ ...pane, fill: paint(pane.tree) }));
    this.shade = shade;
    const deepest = (way) => Math.max(
      0, ...panes.filter((pane) => pane.way === way).map((pane) => pane.tree.deepest),
    );
    this.above = deepest(-1);
    this.levels = this.above + deepest(1) + 1;
  }

  isResized() {
    return this.host.clientWidth !== this.width || this.host.clientHeight !== this.height;
  }

  fit() {
    const height = this.levels * ROW;
    const wasHome = this.isHome();
    const narrow = matchMedia("(max-width: 60rem)").matches;
    this.host.style.height = narrow ? `${Math.min(height, innerHeight * 0.6)}px` : "";
    this.stack.style.height = `${height}px`;
    const { clientWidth, clientHeight } = this.host;
    this.width = clientWidth;
    this.height = clientHeight;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.canvas.style.height = `${clientHeight}px`;
    this.ratio = ratio;
    if (wasHome) this.home();
    this.draw();
  }

  get whole() {
    return this.panes.length ? this.panes[0].tree.total[0] : 0;
  }

  get scale() {
    // Pixels of a nanosecond.
    return this.width / ((this.window[1] - this.window[0]) * this.whole || 1);
  }

  extent(tree, i) {
    // The part of the whole that a frame is, as a window; all of it where nothing took time.
    if (!(tree.total[i] > 0)) return [0, 1];
    return [tree.left[i] / this.whole, (tree.left[i] + tree.total[i]) / this.whole];
  }

  // The picture fills the host from the top, an icicle too; a flame that is lower stands below.
  topOf(level) {
    const row = this.isIcicle ? level + this.above : this.levels - 1 - level - this.above;
    const spare = this.isIcicle ? 0 : Math.max(0, this.height - this.levels * ROW);
    return row * ROW + spare;
  }

  levelAt(y) {
    const spare = this.isIcicle ? 0 : Math.max(0, this.height - this.levels * ROW);
    const row = Math.floor((y - spare) / ROW);
    return this.isIcicle ? row - this.above : this.levels - 1 - row - this.above;
  }

  zoom(a, b) {
    // The part of the whole that fills the width.
    const least = this.width / (CLOSEST * (this.whole || 1));
    const wide = Math.min(1, Math.max(b - a, least));
    const from = Math.min(Math.max(0, a), 1 - wide);
    this.window = [from, from + wide];
    this.draw();
  }

  zoomAt(x, factor) {
    const [a, b] = this.window;
    const at = a + (b - a) * x / this.width;
    this.zoom(at - (at - a) * factor, at + (b - at) * factor);
    this.onWindow();
  }

  pan(pixels) {
    const [a, b] = this.window;
    const shift = Math.min(Math.max(pixels / this.width * (b - a), -a), 1 - b);
    this.zoom(a + shift, b + shift);
    this.onWindow();
  }

  reveal(pane, i) {
    // Scrolls, and moves the window, until the frame can be seen.
    const top = this.topOf(pane.way * pane.tree.depth[i]);
    if (top < this.host.scrollTop) this.host.scrollTop = top;
    else if (top + ROW > this.host.scrollTop + this.height) {
      this.host.scrollTop = top + ROW - this.height;
    }
    const [a, b] = this.window;
    const [left, right] = this.extent(pane.tree, i);
    if (right <= a || left >= b) this.zoom(left - (b - a) / 2, left + (b - a) / 2);
    this.draw();
  }

  isHome() {
    if (this.isIcicle) return this.host.scrollTop === 0;
    return this.height === undefined || this.host.scrollTop + this.height >= this.host.scrollHeight - 1;
  }

  home() {
    // To where the roots are: at the bottom of a flame, at the top of an icicle.
    this.host.scrollTop = this.isIcicle ? 0 : this.host.scrollHeight;
  }

  at(x, y) {
    // The frame that is drawn at a point of the canvas, as [pane, frame].
    const level = this.levelAt(y + this.host.scrollTop);
    const ns = this.window[0] * this.whole + x / this.scale;
    for (const pane of this.panes) {
      const depth = level * pane.way;
      let i = depth >= 0 && !(pane.way < 0 && level === 0) ? 0 : NONE;
      for (let d = 0; d < depth && i !== NONE; d++) {
        i = this.isNarrow(pane.tree, i) ? NONE : pane.tree.childAt(i, ns);
      }
      if (i !== NONE && this.whole) return [pane, i];
    }
    return null;
  }

  isNarrow(tree, i) {
    return tree.total[i] * this.scale < NARROW;
  }

  draw() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.pending = 0;
    const { context, ratio, width, height } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = PAGE[this.shade];
    context.fillRect(0, 0, width, height);
    context.font = FONT;
    context.textBaseline = "middle";
    this.column = context.measureText("m").width;
    const hatch = hatched(context, this.shade);
    for (const pane of this.panes) this.pane(pane, hatch);
  }

  pane(pane, hatch) {
    // From the root up, past whatever is beside the window or on top of what is too narrow.
    const { tree } = pane;
    const start = this.window[0] * this.whole;
    const runs = new Runs(this, hatch);
    const { scale, width, height, host: { scrollTop } } = this; // asked once, for it takes a while
    for (let i = 0; i < tree.size;) {
      const left = (tree.left[i] - start) * scale;
      const wide = tree.total[i] * scale;
      const right = left + wide;
      const isBeside = i && (right <= 0 || left >= width);
      const isNarrow = i && wide < NARROW;
      const y = this.topOf(pane.way * tree.depth[i]) - scrollTop;
      const isShared = pane.way < 0 && i === 0; // the root, which the other pane draws
      if (!isBeside && !isShared && y > -ROW && y < height) {
        const from = Math.max(0, left);
        const to = i ? Math.min(width, right) : width;
        if (isNarrow) runs.add(tree.depth[i], from, to, y, this.marks(tree, i));
        else this.frame(pane, i, from, to, y, hatch);
      }
      i = isBeside || isNarrow ? tree.end[i] : i + 1;
    }
    runs.flush();
  }

  marks(tree, i) {
    // Whether a narrow frame, or what is on top of it, matches the search.
    if (!this.matches) return false;
    for (let k = i; k < tree.end[i]; k++) if (this.matches[tree.fn[k]]) return true;
    return false;
  }

  frame(pane, i, left, right, y, hatch) {
    const { tree } = pane;
    const fn = tree.fn[i];
    const isMatch = this.matches && this.matches[fn];
    let fill = fn === REST ? hatch : pane.fill(i);
    if (this.matches) fill = isMatch ? MATCH[this.shade] : fn === REST ? hatch : DULL[this.shade];
    this.rect(left, right, y, fill);
    const chosen = this.selected;
    if (chosen && chosen[0] === pane && chosen[1] === i) this.outline(left, right, y);
    const text = this.fitting(fn, tree.total[i], right - left - 6);
    if (!text) return;
    this.context.fillStyle = INK[this.shade];
    this.context.fillText(text, left + 3, y + ROW / 2);
  }

  rect(left, right, y, fill) {
    this.context.fillStyle = fill;
    // A thin gap tells neighbours apart, but must not eat the narrow ones.
    this.context.fillRect(left, y, Math.max(0.3, right - left - Math.min(0.7, (right - left) / 4)), ROW - 1);
  }

  outline(left, right, y) {
    this.context.strokeStyle = INK[this.shade];
    this.context.lineWidth = 2;
    this.context.strokeRect(left + 1, y + 1, Math.max(1, right - left - 2), ROW - 3);
  }

  fitting(fn, ns, room) {
    // The longest of a frame's names that fits, or as much as does.
    const columns = Math.floor(room / this.column);
    if (columns < 1) return "";
    const { label, short, package: { kind } } = FN[fn];
    if (kind === "rest") return "…";
    const full = kind === "root" ? `${label}  ${seconds(ns)}` : label;
    if (this.fits(full, columns, room)) return full;
    if (this.fits(short, columns, room)) return short;
    return columns >= SHORTEST ? `${[...short].slice(0, columns - 1).join("")}…` : "";
  }

  fits(text, columns, room) {
    // Measuring is slow, and all of ASCII is as wide as an m here.
    if (/^[ -~]*$/.test(text)) return text.length <= columns;
    return this.context.measureText(text).width <= room;
  }
}

class Runs {
  // Narrow frames beside one another, drawn as one.
  constructor(flame, hatch) {
    this.flame = flame;
    this.hatch = hatch;
    this.open = []; // by depth
  }

  add(depth, left, right, y, isMatch) {
    const run = this.open[depth];
    if (run && left <= run.right + 0.5) {
      run.right = Math.max(run.right, right);
      run.isMatch ||= isMatch;
    } else {
      this.draw(run);
      this.open[depth] = { left, right, y, isMatch };
    }
  }

  flush() {
    this.open.forEach((run) => this.draw(run));
  }

  draw(run) {
    if (!run || run.right <= run.left) return;
    this.flame.rect(run.left, run.right, run.y, run.isMatch ? MATCH[this.flame.shade] : this.hatch);
  }
}

const hatches = {};

function hatched(context, shade) {
  if (hatches[shade]) return hatches[shade];
  const tile = document.createElement("canvas");
  tile.width = 6;
  tile.height = 6;
  const small = tile.getContext("2d");
  small.strokeStyle = HATCH[shade];
  small.lineWidth = 1.5;
  small.beginPath();
  for (const x of [-3, 3, 9]) {
    small.moveTo(x - 3, 6);
    small.lineTo(x + 3, 0);
  }
  small.stroke();
  hatches[shade] = context.createPattern(tile, "repeat");
  return hatches[shade];
}
