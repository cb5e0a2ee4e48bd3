// The table of a card: typed columns, pages, a first column that stays.
import { html, useState } from "../../vendor/index.js";
import { intlLocale, t } from "../i18n.js";
import { asText, extent, isObject, listOf, useCard } from "./context.js";
import { Markdown, Inline, Pager, Person, TextTag } from "./markdown.js";
import { register } from "./tags.js";

const MOST_COLUMNS = 50;
const HEIGHTS = { low: "36px", middle: "54px", high: "72px" };
const ALIGNED = { left: "left", center: "center", right: "right" };
const VERTICAL = { top: "top", center: "middle", bottom: "bottom" };

export function formatDate(ms, pattern) {
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return asText(ms);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = -date.getTimezoneOffset();
  const zone = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  const wanted = typeof pattern === "string" && pattern ? pattern : `YYYY-MM-DDTHH:mm:ss${zone}`;
  const parts = { YYYY: date.getFullYear(), MM: two(date.getMonth() + 1), DD: two(date.getDate()), HH: two(date.getHours()), mm: two(date.getMinutes()), ss: two(date.getSeconds()) };
  return wanted.replace(/YYYY|MM|DD|HH|mm|ss/g, (name) => parts[name]);
}

function formatNumber(value, format) {
  const number = Number(value);
  if (value === "" || value === null || !Number.isFinite(number)) return asText(value);
  const given = isObject(format) ? format : {};
  const places = Number.isInteger(given.precision) ? Math.min(10, Math.max(0, given.precision)) : undefined;
  const text = new Intl.NumberFormat(intlLocale(), {
    useGrouping: given.separator === true,
    minimumFractionDigits: places,
    maximumFractionDigits: places ?? 10,
  }).format(number);
  return `${typeof given.symbol === "string" ? [...given.symbol][0] ?? "" : ""}${text}`;
}

function Cell({ column, value }) {
  const kind = column.data_type ?? "text";
  if (value === undefined || value === null) return "";
  if (kind === "number") return formatNumber(value, column.format);
  if (kind === "options") {
    const options = Array.isArray(value) ? value : [{ text: value }];
    return options.map((one, n) => html`<${TextTag} key=${n} color=${isObject(one) ? one.color : "blue"} text=${asText(isObject(one) ? one.text : one)} /> `);
  }
  if (kind === "persons") return (Array.isArray(value) ? value : [value]).map((id, n) => html`<${Person} key=${n} id=${id} size=${20} />`);
  if (kind === "date") return formatDate(value, column.date_format);
  if (kind === "markdown") return html`<${Markdown} text=${asText(value)} />`;
  if (kind === "lark_md") return html`<${Inline} text=${asText(value)} />`;
  return asText(value) || (typeof value === "boolean" ? String(value) : JSON.stringify(value).slice(0, 500));
}

function columnWidth(width) {
  return typeof width === "string" && width !== "auto" ? extent(width) : undefined;
}

function Table({ node }) {
  useCard();
  const [page, setPage] = useState(0);
  const columns = listOf(node.columns).filter(isObject).slice(0, MOST_COLUMNS);
  const rows = listOf(node.rows).filter(isObject);
  const size = Number.isInteger(node.page_size) ? Math.min(10, Math.max(1, node.page_size)) : 5;
  const pages = Math.max(1, Math.ceil(rows.length / size));
  const at = Math.min(page, pages - 1);
  const head = isObject(node.header_style) ? node.header_style : {};
  const height = HEIGHTS[node.row_height] ?? (/^\d{2,3}px$/.test(node.row_height) ? node.row_height : node.row_height === "auto" ? "auto" : HEIGHTS.low);
  const most = height === "auto" ? extent(node.row_max_height) ?? "124px" : height;
  const headStyle = (column) => ({
    textAlign: ALIGNED[head.text_align] ?? ALIGNED[column.horizontal_align] ?? (column.data_type === "number" ? "right" : "left"),
    fontSize: head.text_size === "heading" ? "16px" : "14px",
    background: head.background_style === "grey" ? "var(--grey-200)" : undefined,
    color: head.text_color === "grey" ? "var(--grey-600)" : undefined,
    fontWeight: head.bold === false ? "400" : "600",
    width: columnWidth(column.width),
    minWidth: columnWidth(column.width),
  });
  const cellStyle = (column) => ({
    textAlign: ALIGNED[column.horizontal_align] ?? (column.data_type === "number" ? "right" : "left"),
    verticalAlign: VERTICAL[column.vertical_align] ?? "middle",
    height: height === "auto" ? undefined : height,
  });
  return html`<div class=${node.freeze_first_column === true ? "card-table frozen" : "card-table"}>
    <div class="scroll-x" tabindex="0"><table>
      <thead><tr>${columns.map((column, n) => html`<th key=${n} style=${headStyle(column)}>${asText(column.display_name) || asText(column.name)}</th>`)}</tr></thead>
      <tbody>${rows.slice(at * size, at * size + size).map(
        (row, n) => html`<tr key=${n}>${columns.map((column, c) => html`<td key=${c} style=${cellStyle(column)}><div class="cell" style=${{ maxHeight: most }}><${Cell} column=${column} value=${Object.hasOwn(row, column.name) ? row[column.name] : undefined} /></div></td>`)}</tr>`,
      )}</tbody>
    </table></div>
    ${!rows.length && html`<div class="named">${t("No rows")}</div>`}
    ${pages > 1 && html`<${Pager} page=${at} pages=${pages} go=${setPage} />`}
  </div>`;
}

register({ table: Table });
