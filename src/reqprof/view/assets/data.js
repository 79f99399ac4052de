// What is in the page: functions with their packages, and a tree for each subject.

const PROFILE = JSON.parse(document.getElementById("profile").textContent);
const SAMPLED = PROFILE.noun === "sample"; // calls are samples in which a frame was open

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
  const { kind } = FN[fn].package;
  return kind !== "root" && kind !== "rest";
}

function isWait(fn) {
  return FN[fn].package.kind === "wait";
}

// The figures are those that the command prints: of two as near, the even one.
function fixed(value, digits) {
  const text = value.toFixed(digits);
  const beyond = value.toFixed(Math.min(100, digits + 60)).slice(text.length + (digits ? 0 : 1));
  const isTie = /^50*$/.test(beyond) && Number(text.at(-1)) % 2;
  return isTie ? (value - 10 ** -digits / 4).toFixed(digits) : text;
}

function grouped(value) {
  // Not by toLocaleString, whose first call alone takes a tenth of what loading may.
  return fixed(value, 0).replace(/\B(?=(\d{3})+$)/g, ",");
}

function seconds(ns) {
  const value = ns / 1e9;
  if (value >= 0.9995) return `${three(value)} s`;
  if (value >= 0.0009995) return `${three(value / 1e-3)} ms`;
  return value > 0 ? `${three(value * 1e6)} µs` : "0 s";
}

function three(value) {
  if (value >= 99.95) return grouped(value);
  return fixed(value, value >= 9.995 ? 1 : 2);
}

function percent(part, whole) {
  return `${fixed(whole > 0 ? 100 * (part / whole) : 100, 1)} %`;
}

function count(value) {
  if (Number.isInteger(value) || value >= 9.95) return grouped(value);
  return value >= 0.05 ? fixed(value, 1).replace(/\.0$/, "") : "<0.1";
}
