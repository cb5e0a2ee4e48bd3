// Containers: columns, forms, panels, interactive containers; and those of JSON 1.0, `action` and `note`.
import { html, useState } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { Icon } from "../ui.js";
import { Elements, Element, Icon2, background, layout } from "./elements.js";
import { borderColour, extent, isObject, lengths, linkOf, listOf, spacing, textOf, useCard } from "./context.js";
import { Form } from "./form.js";
import { Inline, Markdown, Picture } from "./markdown.js";
import { register } from "./tags.js";
import { useAction } from "./using.js";

const JUSTIFY = { left: "flex-start", center: "center", right: "flex-end" };

function ColumnSet({ node, path }) {
  const card = useCard();
  const flex = ["stretch", "flow", "bisect", "trisect"].includes(node.flex_mode) ? node.flex_mode : "none";
  const gap = spacing(node.horizontal_spacing, "8px", card);
  const url = linkOf(isObject(node.action) ? node.action.multi_url : null);
  const style = { gap, justifyContent: JUSTIFY[node.horizontal_align], background: background(node.background_style, card) };
  if (style.background) style.padding = "8px";
  if (style.background) style.borderRadius = "6px";
  const weighted = listOf(node.columns).filter((column) => isObject(column) && column.width === "weighted");
  const total = weighted.reduce((sum, column) => sum + weightOf(column), 0) || 1;
  return html`<div class=${`column-set flex-${flex}${url ? " linked" : ""}`} style=${style} onClick=${(event) => openUnlessControl(event, url)}>
    ${listOf(node.columns).map((column, n) => isObject(column) && html`<${Column} key=${n} node=${column} path=${`${path}.columns.${n}`} flex=${flex} total=${total} />`)}
  </div>`;
}

const weightOf = (column) => (Number.isFinite(column.weight) ? Math.min(5, Math.max(1, column.weight)) : 1);

function openUnlessControl(event, url) {
  if (!url || event.target.closest("button,a,input,textarea,select")) return;
  event.stopPropagation();
  window.open(url, "_blank", "noopener,noreferrer");
}

function Column({ node, path, flex, total }) {
  const card = useCard();
  const style = { ...layout(node, card), background: background(node.background_style, card) };
  if (flex === "none") {
    const pixels = /^\d+px$/.test(node.width) ? extent(node.width) : "";
    if (node.width === "weighted") style.flex = `${weightOf(node) / total} 1 0`;
    else if (pixels) style.flex = `0 1 ${pixels}`;
    else style.flex = "0 1 auto";
  }
  if (style.background && !style.padding) style.padding = "8px";
  if (style.background) style.borderRadius = "6px";
  const margin = lengths(node.margin, { negative: true });
  if (margin) style.margin = margin;
  const url = linkOf(isObject(node.action) ? node.action.multi_url : null);
  return html`<div class="column" data-tag="column" style=${style} onClick=${(event) => openUnlessControl(event, url)}><${Elements} list=${node.elements} path=${`${path}.elements`} /></div>`;
}

function InteractiveContainer({ node, path }) {
  const card = useCard();
  const act = useAction(node, path);
  const hasBorder = node.has_border === true;
  const radius = typeof node.corner_radius === "string" && /^\d{1,3}(px|%)$/.test(node.corner_radius) ? node.corner_radius : "0px";
  const style = {
    ...layout(node, card, { padding: "4px 12px", vertical: "4px" }),
    width: extent(node.width) ?? "100%",
    height: extent(node.height),
    background: background(node.background_style, card),
    border: hasBorder ? `1px solid ${borderColour(node.border_color, card)}` : undefined,
    borderRadius: radius,
  };
  const click = (event) => {
    if (event.target.closest("button,a,input,textarea,select,[role=button]") !== event.currentTarget && event.target.closest("button,a,input,textarea,select,[role=button]")) return;
    event.stopPropagation();
    act.run({});
  };
  return html`<div class=${`interactive${act.disabled ? " disabled" : ""}${act.busy ? " busy" : ""}`} role="button" tabindex=${act.disabled ? -1 : 0} aria-disabled=${act.disabled} style=${style}
    title=${act.tip} onClick=${click} onKeyDown=${(event) => event.target === event.currentTarget && (event.key === "Enter" || event.key === " ") && (event.preventDefault(), act.run({}))}>
    <${Elements} list=${node.elements} path=${`${path}.elements`} />
  </div>`;
}

function CollapsiblePanel({ node, path }) {
  const card = useCard();
  const [open, setOpen] = useState(node.expanded === true);
  const header = isObject(node.header) ? node.header : {};
  const title = isObject(header.title) ? header.title : {};
  const border = isObject(node.border) ? node.border : null;
  const ground = background(node.background_color, card);
  const isBoxed = Boolean(border || ground || header.background_color);
  const style = {
    background: ground,
    border: border ? `1px solid ${borderColour(border.color, card)}` : undefined,
    borderRadius: border || ground ? lengths(border?.corner_radius) ?? "5px" : undefined,
  };
  const angle = [-180, -90, 90, 180].includes(header.icon_expanded_angle) ? header.icon_expanded_angle : 180;
  const place = ["left", "right", "follow_text"].includes(header.icon_position) ? header.icon_position : "right";
  const pixels = /^(\d{1,2})px \d{1,2}px$/.exec(isObject(header.icon) ? header.icon.size : "");
  const icon = html`<span class="panel-icon" style=${{ transform: open ? `rotate(${angle}deg)` : "none" }}>${isObject(header.icon) ? html`<${Icon2} icon=${header.icon} size=${pixels ? Number(pixels[1]) : 12} />` : html`<${Icon} name="down" size=${14} />`}</span>`;
  const head = {
    background: background(header.background_color, card),
    padding: lengths(header.padding) ?? (isBoxed ? "4px 8px" : "0"),
    width: header.width === "auto" || (header.width === "auto_when_fold" && !open) ? "auto" : "100%",
  };
  const text = title.tag === "markdown" || title.tag === "lark_md" ? html`<${Markdown} text=${textOf(title)} />` : html`<${Inline} text=${textOf(title)} marks=${false} />`;
  return html`<div class="panel" style=${style}>
    <button type="button" class=${`panel-header icon-${place}`} style=${head} aria-expanded=${open} onClick=${(event) => { event.stopPropagation(); setOpen(!open); }}>
      ${place === "left" && icon}<span class="panel-title">${text}</span>${place !== "left" && icon}
    </button>
    ${open && html`<div class="panel-content" style=${layout(node, card, { padding: isBoxed ? "8px" : "8px 0 0 0" })}><${Elements} list=${node.elements} path=${`${path}.elements`} /></div>`}
  </div>`;
}

function FormContainer({ node, path }) {
  const card = useCard();
  return html`<${Form} node=${node} path=${path}>
    <div class="form" style=${layout(node, card, { vertical: card.version === "1.0" ? "16px" : "12px" })}><${Elements} list=${node.elements} path=${`${path}.elements`} /></div>
  </${Form}>`;
}

/** A row of controls, JSON 1.0. */
function Action({ node, path }) {
  const layoutName = ["bisected", "bisection", "trisection", "flow"].includes(node.layout) ? node.layout : "";
  return html`<div class=${`action-row ${layoutName}`}>${listOf(node.actions).map((one, n) => html`<${Element} key=${n} node=${one} path=${`${path}.actions.${n}`} />`)}</div>`;
}

/** A small grey line, JSON 1.0. */
function Note({ node }) {
  const piece = (one, n) => {
    if (!isObject(one)) return null;
    if (one.tag === "img") return html`<${Picture} key=${n} imageKey=${one.img_key} alt=${textOf(one.alt)} className="note-image" preview=${false} />`;
    if (one.tag === "standard_icon" || one.tag === "custom_icon") return html`<${Icon2} key=${n} icon=${one} size=${16} />`;
    return html`<${Inline} key=${n} text=${textOf(one)} marks=${one.tag === "lark_md"} />`;
  };
  return html`<div class="note">${isObject(node.icon) && html`<${Icon2} icon=${node.icon} size=${16} />`}${listOf(node.elements).map(piece)}</div>`;
}

/** A column outside a column set. */
const LoneColumn = ({ node, path }) => html`<${Column} node=${node} path=${path} flex="stretch" total=${1} />`;

/** A part of a template that repeats; only the builder knows for what. */
const Repeat = ({ node, path }) => html`<div class="named">${t("Component {tag} is not drawn", { tag: "“repeat”" })}</div><${Elements} list=${node.elements} path=${`${path}.elements`} />`;

register({
  column_set: ColumnSet,
  column: LoneColumn,
  interactive_container: InteractiveContainer,
  collapsible_panel: CollapsiblePanel,
  form: FormContainer,
  action: Action,
  note: Note,
  repeat: Repeat,
});
