// A card: what its configuration says, its header, and its body. What cannot be drawn is named in its place.
import { html, useErrorBoundary, useMemo, useState } from "../../vendor/index.js";
import { post } from "../api.js";
import { t } from "../i18n.js";
import { ask, toast } from "../ui.js";
import { CardContext, FormContext, asText, colour, isObject, isPalette, lengths, linkOf, listOf, localized, textOf } from "./context.js";
import { Elements, Icon2, bodyStyle } from "./elements.js";
import { Inline, TextTag } from "./markdown.js";
import { cardLocale } from "../i18n.js";

const TEMPLATES = new Set(["blue", "wathet", "turquoise", "green", "yellow", "orange", "red", "carmine", "violet", "purple", "indigo", "grey"]);
const TOAST_CODES = {
  200340: "The app has no callback address and no long connection (200340)",
  200341: "The app did not answer within 3 seconds (200341)",
  200342: "The app cannot be reached (200342)",
  200343: "The host of the callback address is not known (200343)",
  200671: "The app answered with an error (200671)",
  200672: "The app's answer is not valid (200672)",
  200673: "The card in the app's answer is not valid (200673)",
};

/** Draw one card of a message. `people` are the users, `me` who looks at it and clicks. */
export function Card({ message, people, me, readOnly = false }) {
  const content = message.content;
  const [busy, setBusy] = useState([]);
  const card = useMemo(() => about(content), [content]);
  const use = async (at, given, confirm) => {
    if (readOnly) {
      toast(t("Cards of custom bots cannot be used"), "warning");
      return false;
    }
    if (isObject(confirm) && !(await ask(textOf(confirm.title), textOf(confirm.text)))) return false;
    setBusy((old) => [...old, at]);
    try {
      const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
      const done = await post(`cards/${encodeURIComponent(message.message_id)}/click`, { user: me.user_id, at, ...(given.zoned ? { timezone: zone } : {}), ...given.said });
      answered(done);
      return done.code === 0;
    } catch (error) {
      toast(error.message, "error");
      return false;
    } finally {
      setBusy((old) => old.filter((one) => one !== at));
    }
  };
  const context = { ...card, use, busy, me, users: people, appId: message.sender, readOnly, messageId: message.message_id };
  return html`<${CardContext.Provider} value=${context}><${FormContext.Provider} value=${null}><${Frame} content=${content} card=${context} /></${FormContext.Provider}></${CardContext.Provider}>`;
}

function answered(done) {
  if (done.code !== 0) {
    toast(`${TOAST_CODES[done.code] ? t(TOAST_CODES[done.code]) : `${t("Failed")} (${done.code})`}${done.error ? ` — ${done.error}` : ""}`, "error");
    return;
  }
  if (!done.toast) return;
  const locale = cardLocale();
  const said = done.toast.i18n?.[locale] ?? done.toast.content ?? Object.values(done.toast.i18n ?? {})[0] ?? "";
  if (said) toast(asText(said), ["info", "success", "error", "warning"].includes(done.toast.type) ? done.toast.type : "info");
}

/** What the components need to know of a whole card. */
function about(content) {
  const root = isObject(content) ? content : {};
  const config = isObject(root.config) ? root.config : {};
  const style = isObject(config.style) ? config.style : {};
  return {
    version: root.schema === "2.0" ? "2.0" : "1.0",
    colours: isObject(style.color) ? style.color : {},
    sizes: isObject(style.text_size) ? style.text_size : {},
  };
}

function Frame({ content, card }) {
  const [failure, retry] = useErrorBoundary((error) => console.warn("A card could not be drawn:", error.message));
  if (failure) {
    return html`<div class="card"><div class="card-body"><div class="named">${t("This card cannot be drawn: {why}", { why: failure.message })}</div>
      <button type="button" class="plain-button" onClick=${retry}>${t("Try again")}</button></div></div>`;
  }
  if (!isObject(content)) return html`<div class="card"><div class="card-body"><span class="named">${t("not a card")}</span></div></div>`;
  if (content.type === "template" || content.type === "card") return html`<${Reference} content=${content} />`;
  const config = isObject(content.config) ? content.config : {};
  const width = config.width_mode === "fill" ? "card fill" : config.width_mode === "compact" || config.compact_width === true ? "card compact" : "card";
  const url = linkOf(content.card_link);
  const open = (event) => {
    if (url && !event.target.closest("button,a,input,textarea,select,[role=button],[role=listbox]")) window.open(url, "_blank", "noopener,noreferrer");
  };
  const v2 = card.version === "2.0";
  const body = v2 ? (isObject(content.body) ? content.body : {}) : {};
  const [elements, path] = v2 ? [body.elements, "body.elements"] : elements1(content);
  return html`<div class=${`${width}${url ? " card-linked" : ""}`} data-schema=${card.version} onClick=${open}>
    ${isObject(content.header) && html`<${Header} header=${content.header} card=${card} whole=${isObject(content.i18n_header) ? content.i18n_header : null} />`}
    ${config.streaming_mode === true && html`<div class="card-streaming">${t("Generating…")}</div>`}
    ${listOf(elements).length > 0 && html`<div class="card-body" style=${bodyStyle(body, card)}><${Elements} list=${elements} path=${path} /></div>`}
    ${!isObject(content.header) && !listOf(elements).length && html`<div class="card-body blank">${t("(blank card)")}</div>`}
  </div>`;
}

/** The elements of a card 1.0 in the reader's language, and where they stand. */
function elements1(content) {
  const all = isObject(content.i18n_elements) ? content.i18n_elements : null;
  if (all) {
    const locale = [cardLocale(), "en_us", "zh_cn", ...Object.keys(all)].find((name) => Array.isArray(all[name]));
    if (locale) return [all[locale], `i18n_elements.${locale}`];
  }
  return [content.elements, "elements"];
}

function Reference({ content }) {
  const data = isObject(content.data) ? content.data : {};
  const isTemplate = content.type === "template";
  return html`<div class="card"><div class="card-body">
    <div class="named">${isTemplate ? t("Card template {id}: its content is known to Lark's card builder only", { id: asText(data.template_id) }) : t("Card entity {id}", { id: asText(data.card_id) })}</div>
    ${isTemplate && isObject(data.template_variable) && html`<pre class="card-json">${JSON.stringify(data.template_variable, null, 2).slice(0, 4000)}</pre>`}
  </div></div>`;
}

function Header({ header, card, whole }) {
  const shown = (whole && isObject(whole[cardLocale()]) && whole[cardLocale()]) || header;
  const template = TEMPLATES.has(shown.template) ? shown.template : "";
  const style = !template
    ? {}
    : template === "grey"
      ? { background: "var(--grey-200)", color: "var(--grey-900)" }
      : { background: `var(--${template}-100)`, color: `var(--${template}-600)` };
  const padding = lengths(shown.padding);
  if (padding) style.padding = padding;
  const title = isObject(shown.title) || typeof shown.title === "string" ? shown.title : null;
  const subtitle = shown.subtitle;
  const tags = listOf(localized(shown, "text_tag_list")).slice(0, 3);
  const text = (value) => html`<${Inline} text=${textOf(value)} marks=${isObject(value) && value.tag === "lark_md"} />`;
  const icon = isObject(shown.ud_icon) ? { ...shown.ud_icon, tag: "standard_icon", color: shown.ud_icon.style?.color } : shown.icon;
  const only = title === null || !textOf(title);
  return html`<div class="card-header" style=${style} data-template=${template || "default"}>
    ${isObject(icon) && html`<span class="card-header-icon"><${Icon2} icon=${icon.img_key && !icon.tag ? { ...icon, tag: "custom_icon" } : icon} size=${20} /></span>`}
    <div class="card-header-texts">
      <div class="card-title">${text(only ? subtitle : title)}${tags.map((tag, n) => isObject(tag) && html` <${TextTag} key=${n} color=${isPalette(tag.color) || tag.color === "neutral" ? tag.color : "blue"} text=${textOf(tag.text)} />`)}</div>
      ${!only && subtitle && textOf(subtitle) && html`<div class="card-subtitle" style=${{ color: colour("grey-600", card) }}>${text(subtitle)}</div>`}
    </div>
  </div>`;
}
