// Small parts for building the page: elements and facts in words.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function find(id) {
  return document.getElementById(id);
}

function button(text, onclick, attributes = {}) {
  return element("button", { type: "button", onclick, ...attributes }, text);
}

function link(text, onclick, attributes = {}) {
  return button(text, onclick, { class: "link", ...attributes });
}

function breakable(text) {
  // A name or a path that may go on in the next line where a part of it ends.
  return text.split(/(?<=[./_])/).flatMap((part, k) => (k ? [element("wbr"), part] : [part]));
}

function doubtInWords(tree, i) {
  const share = doubt(tree, i);
  if (share === 0) return "exact";
  return share > 0.9995 ? "an estimate" : `${percent(share, 1)} of its self time is an estimate`;
}

function callsInWords(fn, calls) {
  const noun = isWait(fn) && !SAMPLED ? "time" : PROFILE.noun;
  return `${count(calls)} ${noun}${calls === 1 ? "" : "s"}`;
}

function nameOf(fn) {
  return FN[fn].package.kind === "rest" ? "callees too small to show one by one" : FN[fn].label;
}
