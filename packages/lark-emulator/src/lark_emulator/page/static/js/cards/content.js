// Content: texts, pictures, people, sound.
import { html, useState } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { Icon } from "../ui.js";
import { asText, borderColour, colour, extent, isObject, lengths, listOf, localized, textOf, textSize, useCard } from "./context.js";
import { Element, Icon2 } from "./elements.js";
import { Inline, Markdown, Person, Picture } from "./markdown.js";
import { register } from "./tags.js";

const SIDES = { left: "left", center: "center", right: "right" };

function MarkdownElement({ node }) {
  const card = useCard();
  const hrefs = isObject(node.href) ? { ...card.hrefs, ...node.href } : null;
  if (hrefs) card.hrefs = hrefs;
  const style = { fontSize: `${textSize(node.text_size, card)}px`, textAlign: SIDES[node.text_align] };
  return html`<div class="with-icon" style=${style}>${isObject(node.icon) && html`<${Icon2} icon=${node.icon} />`}<${Markdown} text=${localized(node)} /></div>`;
}

/** A text object in a `div`. */
export function TextObject({ text }) {
  const card = useCard();
  if (typeof text === "string") return html`<div class="div-text"><${Inline} text=${text} marks=${false} /></div>`;
  if (!isObject(text)) return null;
  const isMarkdown = text.tag === "lark_md" || text.tag === "markdown";
  const style = { fontSize: `${textSize(text.text_size, card)}px`, textAlign: SIDES[text.text_align] };
  if (!isMarkdown) style.color = colour(text.text_color, card);
  const lines = Number.isInteger(text.lines) && text.lines > 0 ? text.lines : 0;
  if (lines) Object.assign(style, { display: "-webkit-box", WebkitLineClamp: String(lines), WebkitBoxOrient: "vertical", overflow: "hidden" });
  return html`<div class="div-text" style=${style}><${Inline} text=${textOf(text)} marks=${isMarkdown} /></div>`;
}

function Div({ node, path }) {
  const fields = listOf(node.fields);
  const style = { width: extent(node.width) };
  return html`<div class="div" style=${style}>
    <div class="div-main">
      ${node.text !== undefined && html`<div class="with-icon">${isObject(node.icon) && html`<${Icon2} icon=${node.icon} />`}<${TextObject} text=${node.text} /></div>`}
      ${fields.length > 0 && html`<div class="fields">${fields.map((field, n) => isObject(field) && html`<div key=${n} class=${field.is_short === true ? "field short" : "field"}><${TextObject} text=${field.text} /></div>`)}</div>`}
    </div>
    ${isObject(node.extra) && html`<div class="div-extra"><${Element} node=${node.extra} path=${`${path}.extra`} /></div>`}
  </div>`;
}

const PIXELS = { large: "160px 160px", medium: "80px 80px", small: "40px 40px", tiny: "16px 16px" };
const FIT = { crop_center: ["cover", "center"], crop_top: ["cover", "top"], fit_horizontal: ["contain", "center"] };

function Img({ node }) {
  const crop = node.mode === "fit_horizontal" ? "fit_horizontal" : node.scale_type;
  const [fit, position] = FIT[crop] ?? ["", ""];
  const size = typeof node.size === "string" ? PIXELS[node.size] ?? node.size : "";
  const pair = /^(\d{1,4})px (\d{1,4})px$/.exec(size);
  const style = { objectFit: fit || undefined, objectPosition: position || undefined, borderRadius: lengths(node.corner_radius) ?? (/^\d{1,3}%$/.test(node.corner_radius) ? node.corner_radius : undefined) };
  if (pair && fit !== "contain") Object.assign(style, { width: `${pair[1]}px`, height: `${pair[2]}px`, objectFit: fit || "cover" });
  else if (Number.isInteger(node.custom_width)) style.width = `${Math.min(578, node.custom_width)}px`;
  else style.width = "100%";
  if (node.transparent !== true) style.background = "#fff";
  const title = node.title !== undefined ? textOf(node.title) : "";
  return html`<div class="img">${title && html`<div class="img-title">${title}</div>`}<${Picture} imageKey=${localized(node, "img_key")} alt=${textOf(node.alt)} className="card-image" style=${style} preview=${node.preview !== false} /></div>`;
}

const MOST_PICTURES = { double: 2, triple: 3, bisect: 6, trisect: 9 };

function ImgCombination({ node }) {
  const mode = Object.hasOwn(MOST_PICTURES, node.combination_mode) ? node.combination_mode : "trisect";
  const shown = listOf(node.img_list).slice(0, MOST_PICTURES[mode]);
  const style = { background: node.combination_transparent === true ? undefined : "#fff", borderRadius: lengths(node.corner_radius) };
  return html`<div class=${`combination combination-${mode}`} style=${style}>${shown.map((one, n) => html`<${Picture} key=${n} imageKey=${isObject(one) ? localized(one, "img_key") : ""} className="combination-image" />`)}</div>`;
}

const AVATARS = { extra_small: 16, small: 20, medium: 24, large: 32 };

function PersonElement({ node }) {
  return html`<${Person} id=${node.user_id} size=${AVATARS[node.size] ?? 24} showAvatar=${node.show_avatar !== false} showName=${node.show_name === true} style_=${node.style} />`;
}

function PersonList({ node }) {
  const [all, setAll] = useState(false);
  const persons = listOf(node.persons);
  const named = node.show_name !== false;
  const most = Number.isInteger(node.lines) && node.lines > 0 ? node.lines * (named ? 4 : 16) : 500;
  const shown = all ? persons : persons.slice(0, most);
  const icon = isObject(node.ud_icon) ? { ...node.ud_icon, tag: "standard_icon", color: node.ud_icon.style?.color } : node.icon;
  return html`<div class=${named ? "persons named-persons" : "persons"}>
    ${isObject(icon) && html`<${Icon2} icon=${icon} />`}
    ${shown.map((one, n) => html`<${Person} key=${n} id=${isObject(one) ? one.id : one} size=${AVATARS[node.size] ?? 24} showName=${named} showAvatar=${node.show_avatar === true || !named} style_=${named ? "capsule" : "normal"} />`)}
    ${persons.length > shown.length && html`<button type="button" class="link-button" onClick=${() => setAll(true)}>+${persons.length - shown.length}</button>`}
  </div>`;
}

const Rule = () => html`<hr class="card-hr" />`;

function Audio({ node }) {
  const card = useCard();
  const border = isObject(node.border) ? node.border : null;
  const style = {
    padding: lengths(node.padding) ?? "12px",
    background: colour(node.background_style, card, "var(--grey-100)"),
    color: colour(node.fill_color, card, "var(--grey-800)"),
    border: border ? `1px solid ${borderColour(border.color, card)}` : undefined,
    borderRadius: lengths(border?.corner_radius) ?? "8px",
    width: extent(node.width) ?? (node.width === "default" ? "240px" : "100%"),
  };
  return html`<div class=${node.disabled === true ? "audio disabled" : "audio"} style=${style} title=${asText(localized(node, "file_key"))}>
    <${Icon} name="play" size=${18} />${node.show_progress_bar !== false && html`<span class="audio-bar"></span>`}
    ${node.show_time !== false && html`<span class="audio-time">0:00</span>`}<span class="sr">${t("audio")}</span>
  </div>`;
}

/** A text that stands alone among elements, as older cards have it. */
const LoneText = ({ node }) => html`<${TextObject} text=${node} />`;
const FallbackText = ({ node }) => html`<${TextObject} text=${node.text} />`;

register({
  markdown: MarkdownElement,
  div: Div,
  img: Img,
  img_combination: ImgCombination,
  person: PersonElement,
  person_list: PersonList,
  hr: Rule,
  audio: Audio,
  plain_text: LoneText,
  lark_md: LoneText,
  standard_icon: ({ node }) => html`<${Icon2} icon=${node} />`,
  custom_icon: ({ node }) => html`<${Icon2} icon=${node} />`,
  fallback_text: FallbackText,
});
