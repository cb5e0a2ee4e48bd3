// Settings, the clock, and the reset.
import { html, useEffect, useState } from "../../vendor/index.js";
import { post } from "../api.js";
import { longTime, t } from "../i18n.js";
import { useData, useLive } from "../live.js";
import { Failed, ask, toast } from "../ui.js";

export function Settings() {
  const { data, error, refresh } = useData("view/settings");
  const [sought, setSought] = useState("");
  const words = sought.trim().toLowerCase();
  const list = (data?.settings ?? []).filter((one) => one.name.includes(words.replaceAll(" ", "_")) || one.about.toLowerCase().includes(words));
  const change = async (name, value) => {
    try {
      await post("settings", { [name]: value });
      toast(t("{name} is set", { name }), "success");
    } catch (failure) {
      toast(failure.message, "error");
    }
    refresh();
  };
  return html`<div class="page-body"><${Clock} />
    <h1>${t("Settings")}</h1><p class="dim">${t("Where Lark's documents are silent or clash, there is a switch.")}</p>
    <input class="lark-input" type="search" placeholder=${t("Search")} aria-label=${t("Search")} value=${sought} onInput=${(event) => setSought(event.target.value)} /><${Failed} error=${error} />
    <div class="settings">${list.map((one) => html`<${Setting} key=${one.name} setting=${one} change=${change} />`)}</div></div>`;
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function Setting({ setting, change }) {
  const { name, value, choices } = setting;
  const [typed, setTyped] = useState(null);
  const id = `setting-${name}`;
  const text = typed ?? (typeof value === "string" || typeof value === "number" ? String(value) : JSON.stringify(value));
  const commit = () => {
    if (typed === null) return;
    setTyped(null);
    let wanted = typed;
    if (typeof value !== "string") {
      try {
        wanted = JSON.parse(typed);
      } catch {
        toast(t("Not JSON: {text}", { text: typed }), "error");
        return;
      }
    }
    if (!same(wanted, value)) change(name, wanted);
  };
  let control;
  if (typeof value === "boolean") control = html`<input id=${id} type="checkbox" checked=${value} onChange=${(event) => change(name, event.target.checked)} />`;
  else if (choices.length && typeof value === "string") control = html`<select id=${id} class="lark-input" value=${value} onChange=${(event) => change(name, event.target.value)}>${choices.map((one) => html`<option key=${one}>${one}</option>`)}</select>`;
  else control = html`<input id=${id} class="lark-input" value=${text} spellcheck=${false} onInput=${(event) => setTyped(event.target.value)} onBlur=${commit} onKeyDown=${(event) => event.key === "Enter" && commit()} />`;
  return html`<div class="setting"><label for=${id}><code>${name}</code>${!same(value, setting.default) && html`<span class="mini-tag">${t("changed")}</span>`}<small lang="en">${setting.about.split("`").map((part, n) => (n % 2 ? html`<code>${part}</code>` : part))}</small></label>${control}
    ${!same(value, setting.default) && html`<button type="button" class="link-button" onClick=${() => change(name, setting.default)}>${t("default")}</button>`}</div>`;
}

const JUMPS = [["1 minute", 60], ["1 hour", 3600], ["1 day", 86_400], ["14 days", 14 * 86_400]];

function Clock() {
  const live = useLive();
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const now = live.now * 1000 + (performance.now() - live.heard);
  const ahead = Math.round((now - Date.now()) / 1000);
  const advance = async (seconds) => {
    try {
      await post("clock", { advance: seconds });
    } catch (error) {
      toast(error.message, "error");
    }
  };
  const reset = async () => {
    if (!(await ask(t("Reset the emulator?"), t("Messages, records, settings and faults are gone afterwards; the tenant is as at the start."), true))) return;
    await post("reset");
    toast(t("Reset"), "success");
  };
  return html`<h1>${t("Clock")}</h1><p class="clock"><b>${longTime(now)}</b> ${ahead > 1 && html`<span class="mini-tag">${t("{n} s ahead", { n: ahead })}</span>`}</p>
    <div class="tools">${JUMPS.map(([label, seconds]) => html`<button key=${label} type="button" class="plain-button" onClick=${() => advance(seconds)}>+ ${t(label)}</button>`)}<span class="grow"></span><button type="button" class="plain-button danger" onClick=${reset}>${t("Reset…")}</button></div>`;
}
