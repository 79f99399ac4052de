// What is in the page: functions with their packages, and a tree for each subject.

const PROFILE = JSON.parse(document.getElementById("profile").textContent);

const PACKAGES = PROFILE.packages.map((each, index) => ({
  ...each, folded: PROFILE.functions.label.length + index,
}));

const FN = [
  ...PROFILE.functions.label.map((label, index) => ({
    label,
    short: PROFILE.functions.short[index],
    where: PROFILE.functions.where[index],
    place: PROFILE.functions.place[index],
    package: PACKAGES[PROFILE.functions.package[index]],
  })),
  // One more for each package, which its folded functions become.
  ...PACKAGES.map((each) => ({
    label: `[${each.name}]`, short: `[${each.name}]`, where: "", place: "folded", package: each,
  })),
];

const FUNCTIONS = FN.length;
const REST = FN.findIndex((fn) => fn.package.kind === "rest");

function isFunction(fn) {
  return !["root", "rest"].includes(FN[fn].package.kind);
}

function isWait(fn) {
  return FN[fn].package.kind === "wait";
}

function seconds(ns) {
  if (ns >= 0.9995e9) return `${three(ns / 1e9)} s`;
  if (ns >= 0.9995e6) return `${three(ns / 1e6)} ms`;
  return ns > 0 ? `${three(ns / 1e3)} µs` : "0 s";
}

function three(value) {
  if (value >= 99.95) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 9.995 ? 1 : 2);
}

function percent(part, whole) {
  return `${(whole > 0 ? 100 * part / whole : 100).toFixed(1)} %`;
}

function count(value) {
  if (Number.isInteger(value) || value >= 9.95) return Math.round(value).toLocaleString("en");
  return value >= 0.05 ? value.toFixed(1).replace(/\.0$/, "") : "<0.1";
}
