// The elements of a card by their tags, and what all of them take: margin, spacing, icon.
import { html } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { TAGS } from "./tags.js";
import { asText, colour, isObject, lengths, listOf, localized, spacing, useCard } from "./context.js";
import { Picture } from "./markdown.js";

/** Elements one after another. `path` is where their list stands in the card: a click says it. */
export function Elements({ list, path }) {
  return listOf(list).map((node, n) => html`<${Element} key=${n} node=${node} path=${`${path}.${n}`} />`);
}

export function Element({ node, path }) {
  if (!isObject(node)) return html`<div class="named">${t("not a component")}</div>`;
  const tag = asText(node.tag);
  const Component = Object.hasOwn(TAGS, tag) ? TAGS[tag] : null;
  if (!Component) return html`<div class="named" data-tag=${tag.slice(0, 60)}>${t("Component {tag} is not drawn", { tag: `“${tag.slice(0, 60)}”` })}</div>`;
  const margin = lengths(node.margin, { negative: true });
  return html`<div class=${`element element-${tag}`} data-tag=${tag} data-path=${path} style=${margin ? { margin } : {}}><${Component} node=${node} path=${path} /></div>`;
}

const ALIGN = { left: "flex-start", center: "center", right: "flex-end" };
const VERTICAL = { top: "flex-start", center: "center", bottom: "flex-end" };

/** The style of what holds elements: direction, padding, spacing, alignment. */
export function layout(node, card, defaults = {}) {
  const isRow = node.direction === "horizontal";
  const vertical = spacing(node.vertical_spacing, defaults.vertical ?? "8px", card);
  const horizontal = spacing(node.horizontal_spacing, defaults.horizontal ?? "8px", card);
  const style = {
    display: "flex",
    flexDirection: isRow ? "row" : "column",
    flexWrap: isRow ? "wrap" : "nowrap",
    rowGap: vertical,
    columnGap: horizontal,
    padding: lengths(node.padding) ?? defaults.padding,
  };
  if (isRow) {
    style.justifyContent = ALIGN[node.horizontal_align];
    style.alignItems = VERTICAL[node.vertical_align] ?? "flex-start";
  } else {
    style.alignItems = ALIGN[node.horizontal_align] && node.horizontal_align !== "left" ? ALIGN[node.horizontal_align] : "stretch";
    style.justifyContent = VERTICAL[node.vertical_align];
  }
  return style;
}

export const bodyStyle = (body, card) => layout(body, card, { padding: "12px" });

/** The background of a container. */
export function background(name, card) {
  if (name === "laser") return "linear-gradient(100deg, var(--blue-100), var(--purple-100), var(--carmine-100))";
  return colour(name, card) || undefined;
}

const GLYPHS = {
  done: "✓", yes: "✓", check: "✓", close: "✕", no: "✕", add: "+", warning: "!", info: "i", alarm: "⏰", time: "◷", calendar: "▦", chat: "✉", member: "☺",
  robot: "⚙", search: "⌕", link: "↗", down: "▾", up: "▴", right: "›", left: "‹", star: "★", like: "♥", file: "▤", edit: "✎", setting: "⚙",
};

/** An icon of Lark's library, whose drawings are not ours to ship: a sign that means the same, or a dot; or a picture. */
export function Icon2({ icon, size = 16 }) {
  const card = useCard();
  if (!isObject(icon)) return null;
  if (icon.tag === "custom_icon" || (icon.img_key && !icon.token)) {
    return html`<${Picture} imageKey=${localized(icon, "img_key")} className="custom-icon" preview=${false} style=${{ width: `${size}px`, height: `${size}px` }} />`;
  }
  const token = asText(icon.token);
  const found = Object.keys(GLYPHS).find((name) => token.startsWith(name));
  const style = { width: `${size}px`, height: `${size}px`, fontSize: `${Math.round(size * 0.85)}px`, color: colour(icon.color, card) };
  return html`<span class="standard-icon" style=${style} title=${token} aria-hidden="true">${found ? GLYPHS[found] : "●"}</span>`;
}
