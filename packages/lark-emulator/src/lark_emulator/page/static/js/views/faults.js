// Planned failures: a form for the usual ones, and what is still to come.
import { html, useState } from "../../vendor/index.js";
import { post, remove } from "../api.js";
import { t } from "../i18n.js";
import { useData } from "../live.js";
import { Empty, Failed, toast } from "../ui.js";

const READY = [
  ["Too many requests", { status: 429, code: 99991400, msg: "request trigger frequency limit" }],
  ["Server error", { status: 500 }],
  ["Gateway's HTML", { status: 502, body: "<html><body>502 Bad Gateway</body></html>" }],
  ["Slow by 3 s", { delay_ms: 3000 }],
  ["Connection dropped, nothing done", { drop: "before" }],
  ["Connection dropped, work done", { drop: "after" }],
  ["Token invalid", { status: 400, code: 99991663, msg: "Invalid access token for authorization. Please make a test with token attached." }],
];

export function Faults() {
  const { data, error, refresh } = useData("faults");
  const [path, setPath] = useState("/open-apis/im/v1/messages");
  const [method, setMethod] = useState("*");
  const [times, setTimes] = useState("1");
  const [kind, setKind] = useState(0);
  const add = async (event) => {
    event.preventDefault();
    try {
      await post("faults", { method, path: path || "*", times: Number(times), ...READY[kind][1] });
      toast(t("Planned"), "success");
      refresh();
    } catch (failure) {
      toast(failure.message, "error");
    }
  };
  const clear = async () => {
    await remove("faults");
    refresh();
  };
  const planned = data?.faults ?? [];
  return html`<div class="page-body"><h1>${t("Faults")}</h1><p class="dim">${t("The next requests that match fail as planned. Programs see what Lark would send.")}</p>
    <form class="form-grid" onSubmit=${add}>
      <label>${t("What happens")}<select class="lark-input" value=${kind} onChange=${(event) => setKind(Number(event.target.value))}>${READY.map(([label], n) => html`<option key=${n} value=${n}>${t(label)}</option>`)}</select></label>
      <label>${t("Method")}<select class="lark-input" value=${method} onChange=${(event) => setMethod(event.target.value)}>${["*", "GET", "POST", "PUT", "PATCH", "DELETE"].map((one) => html`<option key=${one}>${one}</option>`)}</select></label>
      <label class="grow">${t("Path")}<input class="lark-input" value=${path} onInput=${(event) => setPath(event.target.value)} placeholder="/open-apis/*" spellcheck=${false} /></label>
      <label>${t("Times")}<input class="lark-input" type="number" min="1" value=${times} onInput=${(event) => setTimes(event.target.value)} /></label>
      <button type="submit" class="plain-button primary">${t("Plan")}</button>
    </form><${Failed} error=${error} />
    <div class="log">${planned.map((fault, n) => html`<div key=${n} class="entry"><div class="entry-line"><b class="method">${fault.method}</b><span class="path">${fault.path}</span><span class="outcome bad">${summary(fault)}</span><span class="dim">×${fault.times}</span></div></div>`)}</div>
    ${data && !planned.length ? html`<${Empty}>${t("No failures are planned")}</${Empty}>` : html`<button type="button" class="plain-button danger" onClick=${clear}>${t("Forget all")}</button>`}
  </div>`;
}

function summary(fault) {
  const parts = [];
  if (fault.drop) parts.push(`drop: ${fault.drop}`);
  if (fault.status) parts.push(String(fault.status));
  if (fault.code !== undefined) parts.push(String(fault.code));
  if (fault.delay_ms) parts.push(`+${fault.delay_ms} ms`);
  return parts.join(" · ") || t("fault");
}
