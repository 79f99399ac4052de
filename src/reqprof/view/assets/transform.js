// From one tree to another: libraries folded or hidden, callers, callees.

// Of the time that is looked at: callers narrower than this are not told apart.
const NARROWEST = 1 / 3000;

const MOST_EFFORT = 3e6; // frames that are passed in search of callers, some tenths of a second

function simplified(tree, treatment) {
  // treatment gives show, fold or hide for each kind of package.
  const how = FN.map((fn) => treatment[fn.package.kind] || "show");
  if (how.every((each) => each === "show")) return tree;
  const out = new Frames(tree.fn[0], tree.size);
  const target = new Int32Array(tree.size);
  out.calls[0] = tree.calls[0];
  out.add(0, tree, 0);
  for (let i = 1; i < tree.size; i++) {
    const above = target[tree.parent[i]];
    const fn = tree.fn[i];
    const frame = how[fn] === "hide" ? above : standing(out, above, fn, how[fn]);
    if (frame !== above || (how[fn] === "show" && !SAMPLED)) out.calls[frame] += tree.calls[i];
    out.add(frame, tree, i);
    target[i] = frame;
  }
  return sorted(out);
}

function standing(out, above, fn, how) {
  // What calls itself once others between are gone stands once, as recursion does.
  const shown = how === "fold" ? FN[fn].package.folded : fn;
  return out.fn[above] === shown ? above : out.child(above, shown);
}

function outermost(tree, visit) {
  // Calls visit with each frame whose function is not below itself.
  const until = new Int32Array(FUNCTIONS);
  for (let i = 0; i < tree.size; i++) {
    const fn = tree.fn[i];
    if (i < until[fn]) continue;
    until[fn] = tree.end[i];
    visit(i);
  }
}

function callees(tree, fn) {
  // What the function called, over all its outermost frames; its own frame is the root.
  const out = new Frames(fn);
  const target = new Int32Array(tree.size);
  outermost(tree, (top) => {
    if (tree.fn[top] !== fn) return;
    for (let i = top; i < tree.end[top]; i++) {
      const frame = i === top ? 0 : out.child(target[tree.parent[i]], tree.fn[i]);
      target[i] = frame;
      out.calls[frame] += tree.calls[i];
      out.add(frame, tree, i);
    }
  });
  return sorted(out);
}

function callers(tree, fn) {
  // Who called the function: its outermost frames' time, the nearest caller on top of it.
  const shares = [];
  outermost(tree, (i) => {
    if (tree.fn[i] === fn) shares.push(shareOf(tree, i, tree.total[i], tree.calls[i]));
  });
  const out = new Frames(fn);
  out.calls[0] = sum(shares, (one) => one.calls);
  climb(tree, out, [[0, shares]], sum(shares, (one) => one.ns));
  return sorted(out);
}

function inverted(tree) {
  // Functions by self time, each with its callers on top of it.
  const out = new Frames(tree.fn[0]);
  out.calls[0] = tree.calls[0];
  const groups = new Map();
  const calls = counted(tree);
  for (let i = 1; i < tree.size; i++) {
    if (!tree.self[i]) continue;
    const frame = out.child(0, tree.fn[i]);
    out.calls[frame] += calls[i];
    gather(groups, frame, shareOf(tree, i, tree.self[i], calls[i]));
  }
  out.self[0] = tree.self[0];
  climb(tree, out, [...groups], tree.total[0]);
  return sorted(out);
}

function counted(tree) {
  // The calls of each frame; of samples those in which it was innermost, which add up.
  if (!SAMPLED) return tree.calls;
  const own = Float64Array.from(tree.calls);
  for (let i = 1; i < tree.size; i++) own[tree.parent[i]] -= tree.calls[i];
  return own;
}

function shareOf(tree, i, ns, calls) {
  // A part of the time of a stack, at the frame that it has been followed up to.
  return { at: i, ns, calls, exact: tree.exact[i] };
}

function gather(groups, frame, share) {
  if (groups.has(frame)) groups.get(frame).push(share);
  else groups.set(frame, [share]);
}

function climb(tree, out, waiting, whole) {
  // Hangs callers above each frame: waiting has frames with the shares of time they stand for,
  // and grows. Stacks may be many and deep, so there is an end to it, the nearest callers first.
  let effort = MOST_EFFORT;
  for (let turn = 0; turn < waiting.length; turn++) {
    const [frame, shares] = waiting[turn];
    waiting[turn] = null;
    const isCut = sum(shares, (one) => one.ns) < whole * NARROWEST || effort < 0;
    effort -= shares.length;
    const groups = new Map();
    for (const share of shares) {
      out.exact[frame] &= share.exact;
      share.at = tree.parent[share.at];
      if (share.at <= 0) stand(out, frame, share);
      else if (isCut) stand(out, out.child(frame, REST), share);
      else {
        const above = out.child(frame, tree.fn[share.at]);
        out.calls[above] += share.calls;
        gather(groups, above, share);
      }
    }
    waiting.push(...groups);
  }
  for (let i = out.size - 1; i > 0; i--) out.exact[out.parent[i]] &= out.exact[i];
}

function stand(out, frame, share) {
  // The stack ends here, or is followed no further.
  out.self[frame] += share.ns;
  out.exact[frame] &= share.exact;
  if (!share.exact) out.guessed[frame] += share.ns;
}

function sum(items, value) {
  let found = 0;
  for (const item of items) found += value(item);
  return found;
}

function byFunction(tree) {
  // For each function: self and total time, calls, guessed time, and how many frames it has.
  const self = new Float64Array(FUNCTIONS);
  const total = new Float64Array(FUNCTIONS);
  const calls = new Float64Array(FUNCTIONS);
  const guessed = new Float64Array(FUNCTIONS);
  const frames = new Int32Array(FUNCTIONS);
  const exact = new Uint8Array(FUNCTIONS).fill(1);
  for (let i = 0; i < tree.size; i++) {
    const fn = tree.fn[i];
    self[fn] += tree.self[i];
    if (!SAMPLED) calls[fn] += tree.calls[i];
    guessed[fn] += tree.guessed[i];
    frames[fn] += 1;
    exact[fn] &= tree.exact[i];
  }
  outermost(tree, (i) => {
    total[tree.fn[i]] += tree.total[i];
    if (SAMPLED) calls[tree.fn[i]] += tree.calls[i];
  });
  return { self, total, calls, guessed, frames, exact };
}

function plateausOf(tree, waits, count) {
  // The functions with the most self time, or those that waited most, each with the frames where.
  const found = new Map();
  for (let i = 1; i < tree.size; i++) {
    if (!(tree.self[i] > 0) || !isFunction(tree.fn[i]) || isWait(tree.fn[i]) !== waits) continue;
    const fn = tree.fn[waits ? tree.parent[i] : i];
    if (!found.has(fn)) found.set(fn, { fn, ns: 0, guessed: 0, frames: [] });
    const one = found.get(fn);
    one.ns += tree.self[i];
    one.guessed += tree.guessed[i];
    one.frames.push(i);
  }
  const most = [...found.values()].sort((a, b) => b.ns - a.ns).slice(0, count);
  for (const { frames } of most) frames.sort((a, b) => tree.self[b] - tree.self[a]);
  return most;
}

function matching(tree, matches) {
  // The time of the outermost frames whose functions match, and those frames.
  const frames = [];
  let ns = 0;
  for (let i = 1; i < tree.size;) {
    if (matches[tree.fn[i]]) {
      frames.push(i);
      ns += tree.total[i];
      i = tree.end[i];
    } else i += 1;
  }
  return { ns, frames };
}
