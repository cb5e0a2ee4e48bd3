// Inline Markdown of cards, parsed into a tree: text, marks, links, mentions, tags. Pure, and linear in the length: each
// search for a closing mark that fails is remembered, and marks nest a dozen levels deep at most.

const DEEPEST = 12;
const ENTITIES = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", sim: "~", ast: "*", lowbar: "_", lsqb: "[", rsqb: "]", lbrack: "[",
  rbrack: "]", grave: "`", num: "#", hyphen: "-", ndash: "–", mdash: "—", hellip: "…", emsp: "\u2003", ensp: "\u2002", copy: "©",
};
const ENTITY = /&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,8}));/y;
const TAG = /<(\/?)([a-z_]+)((?:\s+[a-zA-Z_]+(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'|[^\s"'<>]+))?)*)\s*(\/?)>/y;
const ATTRIBUTE = /([a-zA-Z_]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?/g;
const LINK = /(!?)\[((?:[^[\]\\]|\\.|\[[^[\]]*\])*)\]\(\s*([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)(?:\s+"[^"]*")?\s*\)/y;
const WEB = /https?:\/\/[^\s<>"'`）】，。；]+/y;
const EMOJI = /:([A-Za-z][A-Za-z0-9_]{0,24}):/y;
const PAIRED = new Set(["at", "font", "text_tag", "a", "link", "raw", "number_tag", "person", "local_datetime", "audio"]);
const ALONE = new Set(["br", "hr", "person", "local_datetime", "audio", "at"]);
const MARKS = [["***", "strongem"], ["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];
const ESCAPED = /[!-/:-@[-`{-~]/;
const WORD = /[\p{L}\p{N}]/u;
export const EMOJIS = {
  OK: "👌", DONE: "✅", CheckMark: "✅", CrossMark: "❌", THUMBSUP: "👍", ThumbsDown: "👎", MUSCLE: "💪", APPLAUSE: "👏", SMILE: "🙂", LAUGH: "😄",
  HEART: "❤️", FIRE: "🔥", PARTY: "🎉", Alarm: "⏰", THANKS: "🙏", FINGERHEART: "🫰", JIAYI: "➕", CRY: "😢", ERROR: "❗", WOW: "😮",
};

function attributes(text) {
  const found = Object.create(null);
  for (const [, name, double, single, bare] of text.matchAll(ATTRIBUTE)) found[name.toLowerCase()] = decode(double ?? single ?? bare ?? "");
  return found;
}

/** Replace entities such as `&#42;` by their characters. */
export function decode(text) {
  return text.includes("&") ? text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,8}));/g, entity) : text;
}

function entity(whole, decimal, hex, name) {
  if (name) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : whole;
  const code = decimal ? parseInt(decimal, 10) : parseInt(hex, 16);
  return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
}

/** Parse a text into nodes: strings, and objects with `kind`. */
export function parseInline(text, depth = 0) {
  const nodes = [];
  const unclosed = new Set();
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) nodes.push(plain);
    plain = "";
  };
  const add = (node, end) => {
    flush();
    nodes.push(node);
    at = end;
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  while (at < text.length) {
    const letter = text[at];
    if (letter === "\n") {
      add({ kind: "break" }, at + 1);
      continue;
    }
    if (letter === "\\" && at + 1 < text.length && ESCAPED.test(text[at + 1])) {
      plain += text[at + 1];
      at += 2;
      continue;
    }
    if (letter === "&") {
      const found = match(ENTITY);
      plain += found ? entity(...found) : "&";
      at += found ? found[0].length : 1;
      continue;
    }
    if (letter === "`") {
      let run = 1;
      while (text[at + run] === "`") run += 1;
      const fence = "`".repeat(run);
      const end = unclosed.has(fence) ? -1 : text.indexOf(fence, at + run);
      if (end >= 0) {
        add({ kind: "code", text: text.slice(at + run, end) }, end + run);
      } else {
        unclosed.add(fence);
        plain += fence;
        at += run;
      }
      continue;
    }
    if ((letter === "[" || (letter === "!" && text[at + 1] === "[")) && depth < DEEPEST) {
      const found = match(LINK);
      if (found) {
        const [whole, bang, label, address] = found;
        add(bang ? { kind: "image", alt: decode(label), key: address } : { kind: "link", address: decode(address), children: parseInline(label, depth + 1) }, at + whole.length);
        continue;
      }
    }
    if (letter === "h" && (at === 0 || !WORD.test(text[at - 1]))) {
      const found = match(WEB);
      if (found) {
        let length = found[0].length;
        while (".,;:!?)]*_~".includes(found[0][length - 1])) length -= 1;
        const address = found[0].slice(0, length);
        add({ kind: "link", address, children: [address] }, at + address.length);
        continue;
      }
    }
    if (letter === ":") {
      const found = match(EMOJI);
      if (found) {
        add({ kind: "emoji", name: found[1] }, at + found[0].length);
        continue;
      }
    }
    if (letter === "<" && depth < DEEPEST) {
      const node = tag(text, at, unclosed, depth, match(TAG));
      if (node) {
        add(node, node.end);
        continue;
      }
    }
    if ((letter === "*" || letter === "_" || letter === "~") && depth < DEEPEST) {
      const node = mark(text, at, unclosed, depth);
      if (node.kind) add(node, node.end);
      else {
        plain += node.text;
        at += node.text.length;
      }
      continue;
    }
    plain += letter;
    at += 1;
  }
  flush();
  return nodes;
}

function mark(text, at, unclosed, depth) {
  for (const [sign, kind] of MARKS) {
    if (!text.startsWith(sign, at) || unclosed.has(sign)) continue;
    const start = at + sign.length;
    if (start >= text.length || /\s/.test(text[start])) continue;
    if (sign[0] === "_" && at > 0 && WORD.test(text[at - 1])) continue;
    const end = closing(text, sign, start);
    if (end < 0) {
      unclosed.add(sign);
      continue;
    }
    const children = parseInline(text.slice(start, end), depth + 1);
    return kind === "strongem"
      ? { kind: "strong", children: [{ kind: "em", children }], end: end + sign.length }
      : { kind, children, end: end + sign.length };
  }
  let run = 1;
  while (text[at + run] === text[at]) run += 1;
  return { text: text.slice(at, at + run) };
}

function closing(text, sign, start) {
  for (let at = text.indexOf(sign, start + 1); at >= 0; at = text.indexOf(sign, at + 1)) {
    if (/\s/.test(text[at - 1]) || text[at - 1] === "\\") continue;
    const before = text[at - 1] === sign[0];
    const behind = text[at + sign.length] === sign[0];
    if (sign.length === 1 && (before || behind)) {
      while (text[at + 1] === sign[0]) at += 1;
      continue;
    }
    if (sign[0] === "_" && at + sign.length < text.length && WORD.test(text[at + sign.length])) continue;
    return at;
  }
  return -1;
}

function tag(text, at, unclosed, depth, found) {
  if (!found || found[1]) return null;
  const name = found[2];
  const given = attributes(found[3]);
  const start = at + found[0].length;
  if (found[4] || name === "br" || name === "hr") return ALONE.has(name) || PAIRED.has(name) ? { kind: name, given, children: [], end: start } : null;
  if (!PAIRED.has(name)) return null;
  const end = unclosed.has(name) ? -1 : ending(text, name, start);
  if (end < 0) {
    unclosed.add(name);
    return ALONE.has(name) ? { kind: name, given, children: [], end: start } : null;
  }
  const inner = text.slice(start, end);
  const children = name === "raw" ? [inner] : parseInline(inner, depth + 1);
  return { kind: name, given, children, end: end + name.length + 3 };
}

function ending(text, name, start) {
  const open = new RegExp(`<${name}(?=[\\s>])`, "g");
  const close = `</${name}>`;
  let level = 1;
  let at = start;
  open.lastIndex = start;
  let next = open.exec(text);
  while (level > 0) {
    const end = text.indexOf(close, at);
    if (end < 0) return -1;
    while (next && next.index < end) {
      level += 1;
      next = open.exec(text);
    }
    level -= 1;
    if (level === 0) return end;
    at = end + close.length;
  }
  return -1;
}

/** The text of nodes without marks. */
export function plainText(nodes) {
  return nodes.map((node) => (typeof node === "string" ? node : node.kind === "break" ? "\n" : node.kind === "code" ? node.text : plainText(node.children ?? []))).join("");
}
