// A call tree in columns: parents before children, siblings widest first, frame 0 below them all.
// Times are whole nanoseconds, so that sums of them are exact.

const NONE = -1;

class Frames {
  // A tree while it is put together.
  constructor(root, atLeast = 1024) {
    const capacity = 2 ** Math.ceil(Math.log2(atLeast + 2));
    this.size = 0;
    this.columns = {
      parent: new Int32Array(capacity),
      fn: new Int32Array(capacity),
      self: new Float64Array(capacity),
      calls: new Float64Array(capacity),
      guessed: new Float64Array(capacity), // ns of the self time that are estimates
      exact: new Uint8Array(capacity),
      added: new Float64Array(capacity), // ns that recording added to the self time
    };
    this.slots = new Int32Array(4 * capacity).fill(NONE); // a hash table by parent and function
    Object.assign(this, this.columns);
    this.push(NONE, root);
  }

  push(parent, fn) {
    if (this.size === this.fn.length) this.grow();
    this.parent[this.size] = parent;
    this.fn[this.size] = fn;
    this.exact[this.size] = 1;
    this.size += 1;
    return this.size - 1;
  }

  child(parent, fn) {
    let slot = this.slot(parent, fn);
    if (this.slots[slot] !== NONE) return this.slots[slot];
    const frame = this.push(parent, fn);
    slot = this.slot(parent, fn); // which another one is if the table has grown
    this.slots[slot] = frame;
    return frame;
  }

  slot(parent, fn) {
    const last = this.slots.length - 1;
    let slot = (Math.imul(parent, 0x9e3779b1) ^ Math.imul(fn, 0x85ebca6b)) & last;
    for (; ; slot = (slot + 1) & last) {
      const frame = this.slots[slot];
      if (frame === NONE || (this.parent[frame] === parent && this.fn[frame] === fn)) return slot;
    }
  }

  grow() {
    for (const [name, old] of Object.entries(this.columns)) {
      this.columns[name] = new old.constructor(2 * old.length);
      this.columns[name].set(old);
    }
    Object.assign(this, this.columns);
    this.slots = new Int32Array(2 * this.slots.length).fill(NONE);
    for (let i = 1; i < this.size; i++) this.slots[this.slot(this.parent[i], this.fn[i])] = i;
  }

  add(frame, tree, i) {
    this.self[frame] += tree.self[i];
    this.guessed[frame] += tree.guessed[i];
    this.added[frame] += tree.added[i];
    this.exact[frame] &= tree.exact[i];
  }
}

class Tree {
  // Its columns are those of Frames, in order.
  constructor({ size, parent, fn, self, calls, guessed, exact, added }) {
    Object.assign(this, { size, parent, fn, self, calls, guessed, exact, added });
    this.total = totals(this.parent, this.self);
    this.place();
  }

  place() {
    // Where each frame begins, how deep it lies, and where its subtree ends.
    const { size, parent, total } = this;
    const left = new Float64Array(size);
    const depth = new Int32Array(size);
    const end = new Int32Array(size);
    const cursor = new Float64Array(size);
    let deepest = 0;
    for (let i = 1; i < size; i++) {
      const above = parent[i];
      left[i] = cursor[above];
      cursor[i] = cursor[above];
      cursor[above] += total[i];
      depth[i] = depth[above] + 1;
      if (depth[i] > deepest) deepest = depth[i];
    }
    for (let i = size - 1; i >= 0; i--) {
      if (end[i] <= i) end[i] = i + 1;
      if (i && end[parent[i]] < end[i]) end[parent[i]] = end[i];
    }
    Object.assign(this, { left, depth, end, deepest });
  }

  path(i) {
    const found = [];
    for (; i !== NONE; i = this.parent[i]) found.unshift(i);
    return found;
  }

  child(i, fn) {
    for (let c = i + 1; c < this.end[i]; c = this.end[c]) if (this.fn[c] === fn) return c;
    return NONE;
  }

  childAt(i, ns) {
    // The child in which a time lies, which is counted from the beginning of all.
    for (let c = i + 1; c < this.end[i]; c = this.end[c]) {
      if (ns < this.left[c] + this.total[c]) return ns >= this.left[c] ? c : NONE;
    }
    return NONE;
  }

  beside(i, step) {
    // The next frame of the same depth, or this one where there is none.
    for (let k = i + step; k > 0 && k < this.size; k += step) {
      if (this.depth[k] === this.depth[i]) return k;
    }
    return i;
  }

  untraced() {
    // Totals less what recording added; no frame has less than nothing.
    const own = this.self.map((ns, i) => Math.max(0, ns - this.added[i]));
    return totals(this.parent, own);
  }
}

function sorted(frames) {
  // The finished tree.
  const order = widestFirst(frames);
  const { size, columns: { parent, ...others } } = frames;
  const inOrder = ([name, values]) => [name, values.constructor.from(order, (i) => values[i])];
  const columns = Object.fromEntries(Object.entries(others).map(inOrder));
  return new Tree({ ...columns, size, parent: renumbered(parent, order) });
}

function totals(parent, self, size = self.length) {
  const total = new Float64Array(size);
  total.set(size === self.length ? self : self.subarray(0, size));
  for (let i = total.length - 1; i > 0; i--) total[parent[i]] += total[i];
  return total;
}

function widestFirst(frames) {
  // Where each frame was, in the order of the finished tree.
  const { size, parent, fn } = frames;
  const total = totals(parent, frames.self, size);
  const first = new Int32Array(size + 1); // where a frame's children begin in the list of all
  for (let i = 1; i < size; i++) first[parent[i] + 1] += 1;
  for (let i = 0; i < size; i++) first[i + 1] += first[i];
  const children = new Int32Array(size);
  const next = first.slice();
  for (let i = 1; i < size; i++) children[next[parent[i]]++] = i;
  const compare = (a, b) => (fn[a] === REST) - (fn[b] === REST) || total[b] - total[a] || fn[a] - fn[b];
  const order = new Int32Array(size);
  const waiting = [0];
  for (let place = 0; place < size; place++) {
    const i = waiting.pop();
    order[place] = i;
    const below = children.subarray(first[i], first[i + 1]);
    if (below.length > 1) below.sort(compare);
    for (let k = below.length - 1; k >= 0; k--) waiting.push(below[k]);
  }
  return order;
}

function renumbered(parent, order) {
  const place = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) place[order[i]] = i;
  const found = new Int32Array(order.length);
  for (let i = 0; i < order.length; i++) found[i] = i ? place[parent[order[i]]] : NONE;
  return found;
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function decoded({ size, ...columns }) {
  // From the page: instead of parents how many frames end before each, and what is nothing
  // everywhere left out.
  const digits = new Uint8Array(128);
  for (let k = 0; k < 64; k++) digits[DIGITS.charCodeAt(k)] = k;
  const numbers = (name) => {
    const packed = columns[name];
    if (typeof packed === "string") return unpacked(packed, digits, size);
    return packed ? new Float64Array(packed) : new Float64Array(size);
  };
  const parent = parents(numbers("ends"));
  const fn = new Int32Array(numbers("fn"));
  const self = numbers("self");
  const doubts = certainty(numbers("doubt"), self);
  return new Tree({ size, parent, fn, self, calls: numbers("calls"), added: numbers("added"), ...doubts });
}

function unpacked(text, digits, size) {
  // Whole numbers in base 32, the least digit first; 32 more says that another digit follows.
  const found = new Float64Array(size);
  for (let i = 0, at = 0; i < size; i++) {
    let digit = digits[text.charCodeAt(at++)];
    let value = digit & 31;
    for (let worth = 32; digit & 32; worth *= 32) {
      digit = digits[text.charCodeAt(at++)];
      value += (digit & 31) * worth;
    }
    found[i] = value;
  }
  return found;
}

function certainty(doubt, self) {
  // 0 is exact, else one more than the thousandths of the self time that are an estimate.
  const exact = new Uint8Array(self.length);
  const guessed = new Float64Array(self.length);
  for (let i = 0; i < self.length; i++) {
    exact[i] = doubt[i] ? 0 : 1;
    guessed[i] = doubt[i] ? self[i] * (doubt[i] - 1) / 1000 : 0;
  }
  return { exact, guessed };
}

function parents(ends) {
  // From how many frames end just before each one begins.
  const parent = new Int32Array(ends.length).fill(NONE);
  for (let i = 1; i < ends.length; i++) {
    let above = i - 1;
    for (let left = ends[i]; left > 0; left--) above = parent[above];
    parent[i] = above;
  }
  return parent;
}
