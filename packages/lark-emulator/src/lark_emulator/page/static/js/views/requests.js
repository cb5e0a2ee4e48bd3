// The request log, newest first, with bodies where they are kept, and each request as a curl command.
import { html, useState } from "../../vendor/index.js";
import { count, longTime, t } from "../i18n.js";
import { useData } from "../live.js";
import { Empty, Failed, toast } from "../ui.js";
import { useApp } from "./context.js";

export function Requests() {
  const { overview, apps } = useApp();
  const [search, setSearch] = useState("");
  const [failed, setFailed] = useState(false);
  const [size, setSize] = useState(50);
  const [open, setOpen] = useState(null);
  const { data, error } = useData("view/requests", { limit: size, search, failed: failed ? "1" : "" });
  const gaps = Object.entries(overview.counts.not_emulated);
  const items = data?.items ?? [];
  return html`<div class="page-body wide"><h1>${t("Requests")} <small>${count(data?.total ?? 0)}</small></h1>
    <div class="tools"><input class="lark-input" type="search" placeholder=${t("Search method, path, app or code")} aria-label=${t("Search method, path, app or code")} value=${search} onInput=${(event) => setSearch(event.target.value)} />
      <label><input type="checkbox" checked=${failed} onChange=${(event) => setFailed(event.target.checked)} /> ${t("only failures")}</label></div>
    ${gaps.length > 0 && html`<div class="notice" role="status"><b>${t("Not emulated, and asked for:")}</b> ${gaps.map(([name, times]) => html`<code key=${name}>${name} ×${times}</code> `)}</div>`}
    ${overview.counts.crashes > 0 && html`<div class="failed">${t("The emulator crashed {n} times; see its stderr", { n: overview.counts.crashes })}</div>`}
    <${Failed} error=${error} />
    <div class="log">${items.map((item) => html`<${Entry} key=${item.number} item=${item} apps=${apps} isOpen=${open === item.number} toggle=${() => setOpen(open === item.number ? null : item.number)} />`)}</div>
    ${data && !items.length && html`<${Empty}>${t("No requests")}</${Empty}>`}
    ${items.length >= size && size < 200 && html`<button type="button" class="plain-button" onClick=${() => setSize(Math.min(200, size + 50))}>${t("Show more")}</button>`}
  </div>`;
}

function tone(item) {
  if (item.dropped) return "bad";
  if (item.code === 0) return "good";
  return item.status >= 400 || item.code ? "bad" : "";
}

function Entry({ item, apps, isOpen, toggle }) {
  const at = (item.at ?? item.time) * 1000;
  const query = item.query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
  return html`<div class=${isOpen ? "entry open" : "entry"}>
    <button type="button" class="entry-line" aria-expanded=${isOpen} onClick=${toggle}>
      <time>${longTime(at).slice(-8)}</time><b class=${`method method-${item.method.toLowerCase()}`}>${item.method}</b><span class="path">${item.path}${query && html`<span class="dim">?${query}</span>`}</span>
      <span class=${`outcome ${tone(item)}`}>${item.dropped ? t("dropped") : `${item.status ?? ""}${item.code !== null && item.code !== undefined ? ` · ${t("code {code}", { code: item.code })}` : ""}`}</span>
      ${Number.isFinite(item.ms) && html`<span class="dim ms">${Math.round(item.ms)} ms</span>`}
    </button>
    ${isOpen && html`<div class="entry-more">
      <dl><dt>${t("Time")}</dt><dd>${longTime(at)}</dd>
        ${item.app_id && html`<dt>${t("App")}</dt><dd>${apps.find((app) => app.app_id === item.app_id)?.name ?? ""} <code>${item.app_id}</code></dd>`}
        <dt>${t("Endpoint")}</dt><dd>${item.route ?? t("none")}</dd><dt>log_id</dt><dd><code>${item.log_id}</code></dd>
        ${item.fault && html`<dt>${t("Fault")}</dt><dd>${t("a planned failure struck it")}</dd>`}</dl>
      <${Body} title=${t("Request body")} text=${item.request} size=${item.body_size} />
      <${Body} title=${t("Answer")} text=${item.response} />
      <button type="button" class="plain-button" onClick=${() => copy(curl(item, query))}>${t("Copy as curl")}</button>
    </div>`}
  </div>`;
}

const bodyText = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Body({ title, text, size }) {
  const shown = bodyText(text);
  if (!shown) return size ? html`<div class="dim">${title}: ${t("{n} bytes, not kept", { n: count(size) })}</div>` : null;
  return html`<div class="body"><div class="dim">${title}</div><pre tabindex="0">${pretty(shown).slice(0, 20_000)}</pre></div>`;
}

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A command that sends the same again; the token is a variable of the shell. */
export function curl(item, query) {
  const parts = [`curl -X ${item.method} ${quoted(`${location.origin}${item.path}${query ? `?${query}` : ""}`)}`];
  if (!item.path.includes("/tenant_access_token") && !item.path.includes("/hook/")) parts.push(`-H "Authorization: Bearer $TENANT_ACCESS_TOKEN"`);
  const body = bodyText(item.request);
  if (body && !body.startsWith("<")) parts.push("-H 'Content-Type: application/json'", `-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("Copied"), "success");
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    toast(done ? t("Copied") : t("The browser does not allow copying"), done ? "success" : "error");
  }
}
