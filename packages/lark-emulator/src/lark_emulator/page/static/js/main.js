// The page: what is open, who looks, and what all views know of the tenant.
import { html, render, useEffect, useRef, useState } from "../vendor/index.js";
import { currentLanguage, setLanguage, t, tellLanguage } from "./i18n.js";
import { start, useData, useLive } from "./live.js";
import { Avatar, Dialogs, Failed, Icon, Toasts } from "./ui.js";
import { Approvals } from "./views/approvals.js";
import { Bases } from "./views/bases.js";
import { Chats } from "./views/chats.js";
import { AppContext, hrefOf, parseRoute } from "./views/context.js";
import { Faults } from "./views/faults.js";
import { People } from "./views/people.js";
import { Requests } from "./views/requests.js";
import { Settings } from "./views/settings.js";
import { Sheets } from "./views/sheets.js";

const VIEWS = [
  ["chats", "Chats", Chats],
  ["bases", "Bases", Bases],
  ["sheets", "Sheets", Sheets],
  ["approvals", "Approvals", Approvals],
  ["people", "People", People],
  ["requests", "Requests", Requests],
  ["faults", "Faults", Faults],
  ["settings", "Settings", Settings],
];
const KEPT = "lark-page-user";

function keptUser() {
  try {
    return localStorage.getItem(KEPT) || "";
  } catch {
    return "";
  }
}

/** Keep the old value while its JSON is the same, so that what depends on it is not drawn again. */
function useStable(value) {
  const kept = useRef({ text: "", value: null });
  const text = JSON.stringify(value ?? null);
  if (text !== kept.current.text) kept.current = { text, value };
  return kept.current.value;
}

/** A user as the language calls them, as Lark's own client does: `name` is the English name in English. */
const named = (user, language) => (language === "en" && user.en_name ? { ...user, name: user.en_name, en_name: user.name } : user);

function App() {
  const [route, setRoute] = useState(parseRoute());
  const [language, setShown] = useState(currentLanguage());
  const [userId, setUserId] = useState(keptUser());
  const live = useLive();
  const { data, error } = useData("view/overview");
  const users = useStable((data?.users ?? []).map((user) => named(user, language)));
  const apps = useStable(data?.apps ?? []);
  useEffect(() => {
    const follow = () => setRoute(parseRoute());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const [view = "chats", ...rest] = route;
  const [, title, View] = VIEWS.find(([name]) => name === view) ?? VIEWS[0];
  useEffect(() => {
    document.title = `${t(title)} · ${t("Local Lark")}`;
  }, [view, language]);
  const me = users.find((user) => user.user_id === userId) ?? users[0] ?? null;
  const become = (id) => {
    setUserId(id);
    try {
      localStorage.setItem(KEPT, id);
    } catch {
      // Then it is forgotten when the page is closed.
    }
  };
  const speak = (wanted) => {
    setLanguage(wanted);
    setShown(wanted);
  };
  if (!data) return html`<div class="starting">${error ? html`<${Failed} error=${error} />` : t("Loading…")}</div>`;
  const context = { overview: data, users, apps, me, language };
  return html`<${AppContext.Provider} value=${context}>
    <div class="app" key=${language}>
      <nav class="rail" aria-label=${t("Views")}>
        <span class="logo" aria-hidden="true"><${Icon} name="chats" size=${22} /></span>
        ${VIEWS.map(([name, label]) => html`<a key=${name} href=${hrefOf(name)} class=${name === view || (label === title && !route.length) ? "rail-item current" : "rail-item"} aria-current=${name === view ? "page" : undefined}>
          <${Icon} name=${name} /><span>${t(label)}</span>${name === "faults" && data.counts.faults > 0 && html`<b class="badge">${data.counts.faults}</b>`}
        </a>`)}
      </nav>
      <div class="main">
        <header class="top">
          <span class="brand">${t("Local Lark")}</span>
          <span class=${live.connected ? "live on" : "live off"} role="status">${live.connected ? t("live") : t("not connected")}</span>
          <span class="grow"></span>
          <label class="who"><span class="who-text">${t("I am")}</span>
            ${me && html`<${Avatar} id=${me.user_id} name=${me.name} size=${24} />`}
            <select value=${me?.user_id} onChange=${(event) => become(event.target.value)} aria-label=${t("I am")}>
              ${users.map((user) => html`<option key=${user.user_id} value=${user.user_id}>${user.name} (${user.user_id})</option>`)}
            </select>
          </label>
          <button type="button" class="language" onClick=${() => speak(language === "zh" ? "en" : "zh")} aria-label=${language === "zh" ? "English" : "中文"}>${language === "zh" ? "EN" : "中"}</button>
        </header>
        <main class=${`view view-${view}`}>${error && html`<${Failed} error=${error} />`}<${View} rest=${rest} /></main>
      </div>
      <${Dialogs} /><${Toasts} />
    </div>
  </${AppContext.Provider}>`;
}

tellLanguage();
start();
render(html`<${App} />`, document.getElementById("app"));
