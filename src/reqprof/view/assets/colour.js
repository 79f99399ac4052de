// The fill of each frame, on a light page and on a dark one, and the legend that explains it.

const { page: PAGE, ink: INK, hatch: HATCH } = PROFILE.shades;
const CERTAINTY = {
  light: { exact: "#bfe3c4", partly: "#f3e3a8", guessed: "#f6c79f" },
  dark: { exact: "#27543a", partly: "#5a4f1e", guessed: "#6b4018" },
};
const MATCH = { light: "#d9a3f5", dark: "#6f2f99" };
const DULL = { light: "#ececf0", dark: "#2b2b31" };

const isDarkSystem = matchMedia("(prefers-color-scheme: dark)");

function shadeName(theme) {
  if (theme === "dark" || theme === "light") return theme;
  return isDarkSystem.matches ? "dark" : "light";
}

function doubt(tree, i) {
  // 0 where a frame is exact, 1 where all of it is an estimate.
  if (tree.exact[i]) return 0;
  return tree.self[i] > 0 ? tree.guessed[i] / tree.self[i] : 1;
}

function painter(scheme, shade, tree) {
  // A function from a frame to its fill.
  if (scheme === "self") {
    const whole = tree.total[0] || 1;
    return (i) => PROFILE.heat.findLast(({ share }, k) => !k || tree.self[i] >= share * whole)[shade];
  }
  if (scheme === "exactness") {
    const colours = CERTAINTY[shade];
    return (i) => {
      const share = doubt(tree, i);
      return share === 0 ? colours.exact : share > 0.999 ? colours.guessed : colours.partly;
    };
  }
  const fills = FN.map((fn) => fn.package[shade]);
  return (i) => fills[tree.fn[i]];
}

function legendOf(scheme, shade, sums) {
  // Pairs of a name and a fill.
  if (scheme === "self") {
    return PROFILE.heat.map((one) => [`self time from ${100 * one.share} %`, one[shade]]);
  }
  if (scheme === "exactness") {
    const { exact, partly, guessed } = CERTAINTY[shade];
    return [["exact", exact], ["partly an estimate", partly], ["an estimate", guessed]];
  }
  const times = new Map();
  for (let fn = 0; fn < FUNCTIONS; fn++) {
    if (!isFunction(fn) || !sums.frames[fn]) continue;
    const { package: one } = FN[fn];
    times.set(one, (times.get(one) || 0) + sums.self[fn]);
  }
  return [...times.keys()]
    .sort((a, b) => (b.kind === "app") - (a.kind === "app") || times.get(b) - times.get(a))
    .slice(0, 12)
    .map((one) => [one.name, one[shade]]);
}
