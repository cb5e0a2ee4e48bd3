// Bases: tables with typed columns, sorted by the emulator, a page of records at a time.
import { html, useEffect, useState } from "../../vendor/index.js";
import { formatDate } from "../cards/table.js";
import { TextTag } from "../cards/markdown.js";
import { safeUrl } from "../cards/context.js";
import { count, intlLocale, t } from "../i18n.js";
import { useData } from "../live.js";
import { Avatar, Empty, Failed, Icon } from "../ui.js";
import { hrefOf, useApp } from "./context.js";

const SIZE = 50;
const OPTION_TONES = ["blue", "turquoise", "orange", "violet", "green", "carmine", "yellow", "wathet", "purple", "indigo", "lime", "red"];
const KINDS = {
  1: "Text", 2: "Number", 3: "Single select", 4: "Multi select", 5: "Date", 7: "Checkbox", 11: "Person", 13: "Phone", 15: "Link", 17: "Attachment",
  18: "One-way link", 19: "Lookup", 20: "Formula", 21: "Two-way link", 22: "Location", 23: "Group", 1001: "Created", 1002: "Modified", 1003: "Created by",
  1004: "Modified by", 1005: "Number (auto)",
};

export function Bases({ rest }) {
  const { overview } = useApp();
  const [appToken, tableId] = rest;
  const base = overview.bases.find((one) => one.app_token === appToken) ?? overview.bases[0];
  if (!base) return html`<${Empty}>${t("No bases yet. An app makes one, or a test seeds it.")}</${Empty}>`;
  const table = base.tables.find((one) => one.table_id === tableId) ?? base.tables.find((one) => one.record_count > 0) ?? base.tables[0];
  return html`<div class="split"><aside class="tree" aria-label=${t("Bases")}>
      ${overview.bases.map((one) => html`<div key=${one.app_token} class="tree-group"><div class="tree-title"><${Icon} name="bases" size=${16} />${one.name || one.app_token}</div>
        ${one.tables.map((each) => html`<a key=${each.table_id} class=${each === table ? "tree-item current" : "tree-item"} href=${hrefOf("bases", one.app_token, each.table_id)}><span>${each.name}</span><small>${count(each.record_count)}</small></a>`)}</div>`)}
    </aside>
    ${table ? html`<${Table} key=${table.table_id} appToken=${base.app_token} tableId=${table.table_id} />` : html`<${Empty}>${t("This base has no tables.")}</${Empty}>`}
  </div>`;
}

function Table({ appToken, tableId }) {
  const [sort, setSort] = useState({ by: "", order: "asc" });
  const [page, setPage] = useState(0);
  const { data, error } = useData("view/records", { app_token: appToken, table_id: tableId, start: page * SIZE, limit: SIZE, sort: sort.by, order: sort.by ? sort.order : "" });
  const total = data?.total ?? 0;
  const pages = Math.max(1, Math.ceil(total / SIZE));
  useEffect(() => {
    if (data && page > pages - 1) setPage(pages - 1);
  }, [total]);
  const order = (name) => {
    setPage(0);
    setSort(sort.by !== name ? { by: name, order: "asc" } : sort.order === "asc" ? { by: name, order: "desc" } : { by: "", order: "asc" });
  };
  if (!data) return html`<section class="sheet-pane"><${Failed} error=${error} /></section>`;
  return html`<section class="sheet-pane"><header class="pane-head"><h1>${data.name}</h1><span class="dim">${t("{n} records", { n: count(total) })}</span><span class="grow"></span>
      <${Pages} page=${page} pages=${pages} go=${setPage} /></header>
    <${Failed} error=${error} />
    <div class="grid-scroll" tabindex="0"><table class="grid base-grid"><thead><tr><th class="corner">#</th>${data.fields.map((field) => html`<th key=${field.field_id} aria-sort=${sort.by === field.field_name ? (sort.order === "asc" ? "ascending" : "descending") : "none"}>
        <button type="button" class="sort" onClick=${() => order(field.field_name)}><span>${field.field_name}</span><small>${t(KINDS[field.type] ?? field.ui_type)}</small>${sort.by === field.field_name && html`<b aria-hidden="true">${sort.order === "asc" ? "↑" : "↓"}</b>`}</button></th>`)}</tr></thead>
      <tbody>${data.items.map((item, n) => html`<tr key=${item.record_id} data-record=${item.record_id}><td class="corner" title=${item.record_id}>${data.start + n + 1}</td>
        ${data.fields.map((field) => html`<td key=${field.field_id} class=${field.type === 2 ? "numeric" : MOMENTS.has(field.type) ? "moment" : ""}><div class="cell"><${Value} field=${field} value=${Object.hasOwn(item.fields, field.field_name) ? item.fields[field.field_name] : undefined} /></div></td>`)}</tr>`)}</tbody></table>
      ${!data.items.length && html`<${Empty}>${t("No records")}</${Empty}>`}</div></section>`;
}

export function Pages({ page, pages, go }) {
  const [typed, setTyped] = useState("");
  if (pages < 2) return null;
  const jump = (event) => {
    event.preventDefault();
    const wanted = Number(typed);
    if (Number.isInteger(wanted) && wanted >= 1 && wanted <= pages) go(wanted - 1);
    setTyped("");
  };
  return html`<form class="pager" onSubmit=${jump}><button type="button" aria-label=${t("Previous page")} disabled=${page === 0} onClick=${() => go(page - 1)}>‹</button>
    <input aria-label=${t("Page")} inputmode="numeric" value=${typed} placeholder=${String(page + 1)} onInput=${(event) => setTyped(event.target.value)} /><span>/ ${count(pages)}</span>
    <button type="button" aria-label=${t("Next page")} disabled=${page >= pages - 1} onClick=${() => go(page + 1)}>›</button></form>`;
}

function tone(field, name) {
  const option = field.property?.options?.find((one) => one.name === name);
  return OPTION_TONES[(option?.color ?? 0) % OPTION_TONES.length];
}

/** The fields whose values are times, which stay on one line. */
const MOMENTS = new Set([5, 1001, 1002]);

const DATE_FORMATS = { "yyyy/MM/dd": "YYYY/MM/DD", "yyyy-MM-dd HH:mm": "YYYY-MM-DD HH:mm", "yyyy/MM/dd HH:mm": "YYYY/MM/DD HH:mm", "MM-dd": "MM-DD", "MM/dd/yyyy": "MM/DD/YYYY", "dd/MM/yyyy": "DD/MM/YYYY" };

function numberText(field, value) {
  const formatter = field.property?.formatter ?? "";
  if (typeof value !== "number") return String(value);
  const places = /\.(0+)/.exec(formatter)?.[1].length;
  const options = places === undefined ? { maximumFractionDigits: 10 } : { minimumFractionDigits: places, maximumFractionDigits: places };
  options.useGrouping = formatter.includes(",");
  return formatter.endsWith("%") ? `${new Intl.NumberFormat(intlLocale(), options).format(value * 100)}%` : new Intl.NumberFormat(intlLocale(), options).format(value);
}

function Value({ field, value }) {
  if (value === undefined || value === null) return "";
  switch (field.type) {
    case 2:
      return numberText(field, value);
    case 3:
      return html`<${TextTag} color=${tone(field, value)} text=${String(value)} />`;
    case 4:
      return listed(value).map((one, n) => html`<${TextTag} key=${n} color=${tone(field, one)} text=${String(one)} /> `);
    case 5:
    case 1001:
    case 1002:
      return formatDate(value, DATE_FORMATS[field.property?.date_formatter] ?? "YYYY-MM-DD HH:mm");
    case 7:
      return html`<span class=${value ? "md-box done" : "md-box"}>${value ? html`<${Icon} name="check" size=${12} />` : ""}<span class="sr">${value ? t("yes") : t("no")}</span></span>`;
    case 11:
    case 1003:
    case 1004:
      return listed(value).map((name, n) => html`<span key=${n} class="person"><${Avatar} id=${name} name=${name} size=${20} /><span>${name}</span></span>`);
    case 15: {
      const url = safeUrl(value.link ?? value);
      return url ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${value.text || url}</a>` : String(value.text ?? value.link ?? value);
    }
    case 17:
      return listed(value).map((one, n) => html`<span key=${n} class="chip"><${Icon} name="file" size=${14} />${String(one.name ?? one.file_token ?? one).slice(0, 60)}</span>`);
    default:
      return plain(value).slice(0, 2000);
  }
}

const listed = (value) => (Array.isArray(value) ? value : [value]);

/** What a computed or linked value says. */
function plain(value) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map(plain).join(", ");
  if (typeof value === "object") return "value" in value && "type" in value ? plain(value.value) : String(value.text ?? value.name ?? value.id ?? value.full_address ?? JSON.stringify(value));
  return String(value);
}
