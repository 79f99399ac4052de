// The view in the address: everything that a person can choose, and nothing else.

const USUAL = {
  subject: 0, mode: "stacks", fn: NONE, at: "", window: "", query: "", colour: "package",
  direction: PROFILE.icicle ? "icicle" : "flame", theme: "auto", sort: "self",
  framework: "show", package: "show", stdlib: "show", C: "show", generated: "show",
};

const KINDS = ["framework", "package", "stdlib", "C", "generated"];
const TREATMENTS = ["show", "fold", "hide"];

const ALLOWED = {
  mode: ["stacks", "inverted", "sandwich", "callers"],
  colour: ["package", "self", "exactness"],
  direction: ["flame", "icicle"],
  theme: ["auto", "light", "dark"],
  ...Object.fromEntries(KINDS.map((kind) => [kind, TREATMENTS])),
  sort: ["self", "total", "calls", "name", "-self", "-total", "-calls", "-name"],
};

function fromAddress() {
  // Whatever the address says that makes no sense is as if it said nothing.
  const given = new URLSearchParams(location.hash.slice(1));
  const state = { ...USUAL };
  for (const [key, value] of given) {
    if (!Object.hasOwn(USUAL, key)) continue;
    if (Object.hasOwn(ALLOWED, key) && !ALLOWED[key].includes(value)) continue;
    state[key] = { number: Number(value), boolean: value !== "false" }[typeof USUAL[key]] ?? value;
  }
  if (!PROFILE.subjects[state.subject]) state.subject = 0;
  if (!FN[state.fn]) state.fn = NONE;
  if (state.fn === NONE && ["sandwich", "callers"].includes(state.mode)) state.mode = "stacks";
  return state;
}

function toAddress(state) {
  const said = Object.entries(state).filter(([key, value]) => value !== USUAL[key]);
  return `#${new URLSearchParams(said)}`;
}
