// Block Markdown of cards, parsed line by line into a tree. JSON 1.0 knows fewer blocks than 2.0. Pure.

// All are matched against trimmed lines, and hold no two neighbours that match the same letters: whatever a card says,
// a match takes time linear in the length of the line.
const FENCE = /^(```+|~~~+)\s*(\S*)$/;
const HEADING = /^(#{1,6})\s+(\S.*)$/;
const RULE = /^(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|<hr ?\/?>)$/;
const ITEM = /^(?:([-*+])|(\d{1,9})[.)])\s+(.*)$/;
const MARK = /^:?-+:?$/;
const TASK = /^\[([ xX])\]\s+(.*)$/;
const DEEPEST = 8;

/** Parse Markdown. `version` is 2.0 or 1.0. */
export function parseBlocks(text, version = "2.0", depth = 0) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const blocks = [];
  const rich = version === "2.0";
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) blocks.push({ kind: "paragraph", text: paragraph.join("\n") });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    if (!line.trim()) {
      flush();
      continue;
    }
    const bare = line.trim();
    const isIndented = /^(?: {4}|\t)/.test(line);
    const fence = FENCE.exec(bare);
    if (fence) {
      flush();
      let end = at + 1;
      while (end < lines.length && !lines[end].trim().startsWith(fence[1])) end += 1;
      blocks.push({ kind: "code", language: fence[2], text: lines.slice(at + 1, end).join("\n") });
      at = end;
      continue;
    }
    if (RULE.test(bare)) {
      flush();
      blocks.push({ kind: "rule" });
      continue;
    }
    const heading = rich && !isIndented && HEADING.exec(bare);
    if (heading) {
      flush();
      blocks.push({ kind: "heading", level: heading[1].length, text: heading[2].replace(/ #{1,6}$/, "") });
      continue;
    }
    if (rich && !isIndented && depth < DEEPEST && bare.startsWith(">")) {
      flush();
      const inner = [];
      while (at < lines.length && lines[at].trimStart().startsWith(">")) {
        inner.push(lines[at].trimStart().slice(1).replace(/^ /, ""));
        at += 1;
      }
      at -= 1;
      blocks.push({ kind: "quote", blocks: parseBlocks(inner.join("\n"), version, depth + 1) });
      continue;
    }
    if (rich && line.includes("|") && at + 1 < lines.length && lines[at + 1].includes("-")) {
      const head = cells(line);
      const marks = cells(lines[at + 1]);
      if (head.length === marks.length && marks.every((mark) => MARK.test(mark))) {
        flush();
        const rows = [];
        at += 2;
        while (at < lines.length && lines[at].trim() && lines[at].includes("|")) {
          rows.push(cells(lines[at]));
          at += 1;
        }
        at -= 1;
        const align = marks.map((mark) => (mark.endsWith(":") ? (mark.startsWith(":") ? "center" : "right") : "left"));
        blocks.push({ kind: "table", head, rows, align });
        continue;
      }
    }
    if (ITEM.test(bare)) {
      flush();
      const [list, next] = listAt(lines, at);
      blocks.push(list);
      at = next - 1;
      continue;
    }
    if (rich && !paragraph.length && isIndented) {
      const code = [];
      while (at < lines.length && (/^(?: {4}|\t)/.test(lines[at]) || !lines[at].trim())) {
        code.push(lines[at].replace(/^(?: {4}|\t)/, ""));
        at += 1;
      }
      at -= 1;
      blocks.push({ kind: "code", language: "", text: code.join("\n").trimEnd() });
      continue;
    }
    paragraph.push(line);
  }
  flush();
  return blocks;
}

/** Items from a line on, as a list of lists by their indentation, and the line behind them. */
function listAt(lines, start) {
  const items = [];
  let at = start;
  for (; at < lines.length; at += 1) {
    const bare = lines[at].trim();
    const found = RULE.test(bare) ? null : ITEM.exec(bare);
    if (!found) {
      const isContinued = bare && /^\s{2}/.test(lines[at]) && items.length;
      if (!isContinued) break;
      items[items.length - 1].text += `\n${bare}`;
      continue;
    }
    const isOther = items.length && (found[2] === undefined) !== (items[0].number === null);
    if (isOther && lines[at].length - lines[at].trimStart().length <= items[0].indent) break;
    const task = TASK.exec(found[3]);
    const lead = lines[at].slice(0, lines[at].length - lines[at].trimStart().length);
    items.push({
      indent: lead.replaceAll("\t", "    ").length,
      number: found[2] === undefined ? null : Number(found[2]),
      text: task ? task[2] : found[3],
      done: task ? task[1] !== " " : null,
      items: null,
    });
  }
  return [nested(items, 0, items.length, 0), at];
}

function nested(items, start, end, depth) {
  const first = items[start];
  const list = { kind: "list", isOrdered: first.number !== null, start: first.number ?? 1, items: [] };
  for (let at = start; at < end; ) {
    const item = items[at];
    let next = at + 1;
    while (next < end && items[next].indent > item.indent + 1) next += 1;
    const inner = next > at + 1 && depth < DEEPEST ? nested(items, at + 1, next, depth + 1) : null;
    list.items.push({ text: item.text, done: item.done, inner });
    at = inner ? next : at + 1;
  }
  return list;
}

function cells(line) {
  const trimmed = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  return trimmed.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}
