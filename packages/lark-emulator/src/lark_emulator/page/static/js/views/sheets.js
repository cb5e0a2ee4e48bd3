// Spreadsheets: worksheets as grids, some rows at a time.
import { html, useState } from "../../vendor/index.js";
import { count, t } from "../i18n.js";
import { useData } from "../live.js";
import { Empty, Failed, Icon } from "../ui.js";
import { Pages } from "./bases.js";
import { hrefOf, useApp } from "./context.js";

const SIZE = 100;
const HEX = /^#[0-9a-fA-F]{3,8}$/;

export function Sheets({ rest }) {
  const { overview } = useApp();
  const [token, sheetId] = rest;
  const book = overview.spreadsheets.find((one) => one.token === token) ?? overview.spreadsheets[0];
  if (!book) return html`<${Empty}>${t("No spreadsheets yet. An app makes one, or a test seeds it.")}</${Empty}>`;
  const sheet = book.sheets.find((one) => one.sheet_id === sheetId) ?? book.sheets[0];
  return html`<div class="split"><aside class="tree" aria-label=${t("Sheets")}>
      ${overview.spreadsheets.map((one) => html`<div key=${one.token} class="tree-group"><div class="tree-title"><${Icon} name="sheets" size=${16} />${one.title || one.token}</div>
        ${one.sheets.map((each) => html`<a key=${each.sheet_id} class=${one === book && each === sheet ? "tree-item current" : "tree-item"} href=${hrefOf("sheets", one.token, each.sheet_id)}><span>${each.title}</span></a>`)}</div>`)}
    </aside>${sheet && html`<${Grid} key=${`${book.token}/${sheet.sheet_id}`} token=${book.token} sheetId=${sheet.sheet_id} />`}</div>`;
}

function Grid({ token, sheetId }) {
  const [page, setPage] = useState(0);
  const { data, error } = useData("view/sheet", { token, sheet_id: sheetId, start: page * SIZE, limit: SIZE });
  if (!data) return html`<section class="sheet-pane"><${Failed} error=${error} /></section>`;
  const used = Math.max(8, ...data.rows.map((row) => Math.max(row.values.length, ...Object.keys(row.styles).map((name) => Number(name) + 1), 0)));
  const columns = data.columns.slice(0, Math.min(data.columns.length, used + 2));
  const covered = coveredBy(data.merges);
  return html`<section class="sheet-pane"><header class="pane-head"><h1>${data.title}</h1><span class="dim">${t("{rows} rows × {columns} columns", { rows: count(data.row_count), columns: count(data.column_count) })}</span><span class="grow"></span>
      <${Pages} page=${page} pages=${Math.max(1, Math.ceil(data.row_count / SIZE))} go=${setPage} /></header>
    <${Failed} error=${error} />
    <div class="grid-scroll" tabindex="0"><table class="grid sheet-grid"><thead><tr><th class="corner"></th>${columns.map((column) => !column.hidden && html`<th key=${column.name} style=${{ minWidth: `${Math.min(600, column.width ?? 100)}px` }}>${column.name}</th>`)}</tr></thead>
      <tbody>${data.rows.map((row) => !row.hidden && html`<tr key=${row.number} style=${row.height ? { height: `${row.height}px` } : {}}><td class="corner">${row.number}</td>
        ${columns.map((column, n) => {
          if (column.hidden) return null;
          const place = `${n},${row.number - 1}`;
          if (covered.hidden.has(place)) return null;
          const [across, down] = covered.spans.get(place) ?? [1, 1];
          return html`<td key=${column.name} colspan=${across} rowspan=${down} style=${styleOf(row.styles[n])} class=${typeof row.values[n] === "number" ? "numeric" : ""}><div class="cell"><${SheetValue} value=${row.values[n]} /></div></td>`;
        })}</tr>`)}</tbody></table></div></section>`;
}

function SheetValue({ value }) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map((piece) => (piece && typeof piece === "object" ? piece.text ?? piece.link ?? "" : String(piece))).join("");
  if (typeof value === "object") {
    if ("formula" in value) return html`<span title=${String(value.formula)}>${value.result === null || value.result === undefined ? String(value.formula) : String(value.result)}</span>`;
    return value.error ? "#ERROR" : JSON.stringify(value).slice(0, 200);
  }
  return typeof value === "boolean" ? String(value).toUpperCase() : String(value);
}

const ALIGN = ["left", "center", "right"];

function styleOf(style) {
  if (!style || typeof style !== "object") return {};
  const font = style.font ?? {};
  return {
    fontWeight: font.bold ? "600" : undefined,
    fontStyle: font.italic ? "italic" : undefined,
    textAlign: ALIGN[style.hAlign],
    background: HEX.test(style.backColor) ? style.backColor : undefined,
    color: HEX.test(style.foreColor) ? style.foreColor : HEX.test(style.backColor) ? "#1f2329" : undefined,
  };
}

/** Which cells a merge hides, and how far its first one reaches. */
function coveredBy(merges) {
  const hidden = new Set();
  const spans = new Map();
  for (const merge of merges.slice(0, 500)) {
    const found = /^([A-Z]+)(\d+):([A-Z]+)(\d+)$/.exec(merge);
    if (!found) continue;
    const [left, top, right, bottom] = [numberOf(found[1]), Number(found[2]) - 1, numberOf(found[3]), Number(found[4]) - 1];
    if ((right - left + 1) * (bottom - top + 1) > 10_000) continue;
    spans.set(`${left},${top}`, [right - left + 1, bottom - top + 1]);
    for (let row = top; row <= bottom; row += 1) for (let column = left; column <= right; column += 1) if (row !== top || column !== left) hidden.add(`${column},${row}`);
  }
  return { hidden, spans };
}

const numberOf = (letters) => [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
