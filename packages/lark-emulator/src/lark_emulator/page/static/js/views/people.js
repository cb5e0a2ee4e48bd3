// The members of the tenant, and its apps.
import { html } from "../../vendor/index.js";
import { count, t } from "../i18n.js";
import { Avatar } from "../ui.js";
import { useApp } from "./context.js";

export function People() {
  const { overview, users, apps } = useApp();
  const appId = apps[0]?.app_id;
  return html`<div class="page-body"><h1>${t("People")} <small>${count(overview.user_count)}</small></h1>
    <div class="people">${users.map((user) => html`<div class="person-card" key=${user.user_id}>
      <${Avatar} id=${user.user_id} name=${user.name} size=${44} />
      <div><b>${user.name}</b> ${user.en_name && html`<span class="dim">${user.en_name}</span>`} ${user.status !== "activated" && html`<span class="mini-tag">${user.status}</span>`}
        ${[user.email, user.mobile].filter(Boolean).map((one) => html`<div key=${one} class="dim">${one}</div>`)}
        <div class="ids"><code>${user.user_id}</code><code>${user.open_ids[appId]}</code></div></div>
    </div>`)}</div>
    <h1>${t("Apps")} <small>${count(apps.length)}</small></h1>
    <div class="people">${apps.map((app) => html`<div class="person-card" key=${app.app_id}>
      <${Avatar} id=${app.app_id} name=${app.name} size=${44} bot />
      <div><b>${app.name}</b> ${!app.enabled && html`<span class="mini-tag">${t("disabled")}</span>`}
        <div class="dim">${app.callback?.url ? t("clicks go to {url}", { url: app.callback.url }) : t("no callback address")}</div>
        <div class="ids"><code>${app.app_id}</code><code>${app.bot_open_id}</code></div></div>
    </div>`)}</div></div>`;
}
