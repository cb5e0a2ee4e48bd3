// Markdown drawn: trees of `blocks.js` and `inline.js` become elements. Nothing here ever becomes HTML by itself.
import { html, useMemo, useState } from "../../vendor/index.js";
import { uploadUrl } from "../api.js";
import { intlLocale, t } from "../i18n.js";
import { Avatar, Icon, enlarge } from "../ui.js";
import { parseBlocks } from "./blocks.js";
import { asText, colour, linkOf, nameOf, personOf, safeUrl, useCard } from "./context.js";
import { EMOJIS, parseInline, plainText } from "./inline.js";

/** Longer texts are cut, and it is said: a page must stay usable whatever it is sent. */
export const LONGEST = 100_000;
const ROWS = 5;
const CODE_SHOWN = 20_000;

function cut(text) {
  return text.length > LONGEST ? [text.slice(0, LONGEST), text.length - LONGEST] : [text, 0];
}

const Cut = ({ left }) => (left ? html`<div class="cut">${t("… {n} more characters are not drawn", { n: left })}</div>` : null);

/** A text of Markdown blocks. */
export function Markdown({ text, version }) {
  const card = useCard();
  const [shown, left] = cut(asText(text));
  const kind = version ?? card?.version ?? "2.0";
  const blocks = useMemo(() => parseBlocks(shown, kind), [shown, kind]);
  return html`<div class="md">${blocks.map((block, n) => html`<${Block} key=${n} block=${block} />`)}<${Cut} left=${left} /></div>`;
}

/** A text of inline Markdown, `lark_md`. */
export function Inline({ text, marks = true }) {
  const [shown, left] = cut(asText(text));
  const nodes = useMemo(() => (marks ? parseInline(shown) : null), [shown, marks]);
  return html`<span class="inline-text">${nodes ? html`<${Nodes} nodes=${nodes} />` : shown}<${Cut} left=${left} /></span>`;
}

function Block({ block }) {
  if (block.kind === "heading") {
    const level = `h${Math.min(6, block.level)}`;
    return html`<div role="heading" aria-level=${block.level + 2} class=${`md-${level}`}><${Nodes} nodes=${parseInline(block.text)} /></div>`;
  }
  if (block.kind === "rule") return html`<hr class="card-hr" />`;
  if (block.kind === "quote") return html`<blockquote class="md-quote">${block.blocks.map((one, n) => html`<${Block} key=${n} block=${one} />`)}</blockquote>`;
  if (block.kind === "code") {
    return html`<div class="md-code">${block.language && html`<div class="md-language">${block.language}</div>`}<pre tabindex="0"><code>${block.text.slice(0, CODE_SHOWN)}</code></pre></div>`;
  }
  if (block.kind === "list") return html`<${List} list=${block} />`;
  if (block.kind === "table") return html`<${MarkdownTable} table=${block} />`;
  return html`<p class="md-p"><${Nodes} nodes=${parseInline(block.text)} /></p>`;
}

function List({ list }) {
  const items = list.items.map(
    (item, n) => html`<li key=${n} class=${item.done === null ? "" : "md-task"}>
      ${item.done !== null && html`<span class=${item.done ? "md-box done" : "md-box"} aria-hidden="true">${item.done && html`<${Icon} name="check" size=${12} />`}</span>`}
      <${Nodes} nodes=${parseInline(item.text)} />
      ${item.inner && html`<${List} list=${item.inner} />`}
    </li>`,
  );
  return list.isOrdered ? html`<ol class="md-list" start=${list.start}>${items}</ol>` : html`<ul class="md-list">${items}</ul>`;
}

function MarkdownTable({ table }) {
  const [page, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(table.rows.length / ROWS));
  const shown = table.rows.slice(page * ROWS, page * ROWS + ROWS);
  const cell = (tag, text, n) => html`<${tag} key=${n} style=${{ textAlign: table.align[n] ?? "left" }}><${Nodes} nodes=${parseInline(text ?? "")} /></${tag}>`;
  return html`<div class="md-table"><div class="scroll-x" tabindex="0"><table>
      <thead><tr>${table.head.map((text, n) => cell("th", text, n))}</tr></thead>
      <tbody>${shown.map((row, n) => html`<tr key=${n}>${table.head.map((_, column) => cell("td", row[column], column))}</tr>`)}</tbody>
    </table></div>${pages > 1 && html`<${Pager} page=${page} pages=${pages} go=${setPage} />`}</div>`;
}

export function Pager({ page, pages, go }) {
  return html`<div class="pager">
    <button type="button" aria-label=${t("Previous page")} disabled=${page === 0} onClick=${() => go(page - 1)}>‹</button>
    <span>${page + 1} / ${pages}</span>
    <button type="button" aria-label=${t("Next page")} disabled=${page >= pages - 1} onClick=${() => go(page + 1)}>›</button>
  </div>`;
}

function Nodes({ nodes }) {
  return nodes.map((node, n) => (typeof node === "string" ? node : html`<${Node} key=${n} node=${node} />`));
}

const External = ({ url, children }) => html`<a href=${url} target="_blank" rel="noopener noreferrer" onClick=${(event) => event.stopPropagation()}>${children}</a>`;

/** A link that may be opened, or its text with the address named that may not. */
export function Anchor({ address, children }) {
  const url = safeUrl(address);
  if (url) return html`<${External} url=${url}>${children}</${External}>`;
  return html`<span class="bad-link" title=${t("This address is not opened: {address}", { address: asText(address).slice(0, 200) })}>${children}</span>`;
}

function Node({ node }) {
  const card = useCard();
  const inner = () => html`<${Nodes} nodes=${node.children} />`;
  const given = node.given ?? {};
  switch (node.kind) {
    case "break":
    case "br":
      return html`<br />`;
    case "hr":
      return html`<hr class="card-hr" />`;
    case "code":
      return html`<code class="md-inline-code">${node.text}</code>`;
    case "strong":
      return html`<strong>${inner()}</strong>`;
    case "em":
      return html`<em>${inner()}</em>`;
    case "del":
      return html`<del>${inner()}</del>`;
    case "link": {
      if (node.given) return html`<${Anchor} address=${linkOf(given) || given.url}>${node.children.length ? inner() : given.url}</${Anchor}>`;
      const named = /^\$([A-Za-z0-9_]+)$/.exec(node.address);
      const address = named ? linkOf(card?.hrefs?.[named[1]]) : node.address;
      return html`<${Anchor} address=${address}>${inner()}</${Anchor}>`;
    }
    case "a":
      return html`<${Anchor} address=${given.href}>${node.children.length ? inner() : given.href}</${Anchor}>`;
    case "image":
      return html`<${Picture} imageKey=${node.key} alt=${node.alt} />`;
    case "emoji":
      return Object.hasOwn(EMOJIS, node.name) ? html`<span class="emoji" title=${node.name}>${EMOJIS[node.name]}</span>` : `:${node.name}:`;
    case "font":
      return html`<span style=${{ color: colour(given.color, card) }}>${inner()}</span>`;
    case "text_tag":
      return html`<${TextTag} color=${given.color} text=${plainText(node.children)} />`;
    case "number_tag":
      return html`<span class="number-tag" style=${{ background: colour(given.background_color, card, "var(--grey-600)"), color: colour(given.font_color, card, "#fff") }}>${plainText(node.children)}</span>`;
    case "at":
      return html`<${Mention} given=${given} text=${plainText(node.children)} />`;
    case "person":
      return html`<${Person} id=${given.id} showName=${given.show_name !== "false"} showAvatar=${given.show_avatar !== "false"} style_=${given.style} />`;
    case "raw":
      return plainText(node.children);
    case "local_datetime":
      return html`<span>${localTime(given.millisecond, given.format_type) || inner()}</span>`;
    case "audio":
      return html`<span class="named">${t("audio")} ${asText(given.file_key)}</span>`;
    default:
      return inner();
  }
}

const TIME_PARTS = {
  date_num: { year: "numeric", month: "2-digit", day: "2-digit" },
  date_short: { month: "short", day: "numeric" },
  date: { year: "numeric", month: "long", day: "numeric" },
  week: { weekday: "long" },
  week_short: { weekday: "short" },
  time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  time_sec: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
};

function localTime(millisecond, kind = "date_num") {
  const date = new Date(Number(millisecond));
  if (!millisecond || Number.isNaN(date.getTime())) return "";
  if (kind === "timezone") {
    const minutes = -date.getTimezoneOffset();
    return `GMT${minutes < 0 ? "-" : "+"}${Math.floor(Math.abs(minutes) / 60)}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
  }
  return new Intl.DateTimeFormat(intlLocale(), Object.hasOwn(TIME_PARTS, kind) ? TIME_PARTS[kind] : TIME_PARTS.date_num).format(date);
}

function Mention({ given, text }) {
  const card = useCard();
  const ids = [given.id, given.user_id, given.email, ...(given.ids ? given.ids.split(",") : [])].filter(Boolean);
  if (ids[0] === "all") return html`<span class="mention self">@${t("All")}</span>`;
  return ids.map((id, n) => {
    const user = personOf(id.trim(), card);
    const mine = user && user.user_id === card?.me?.user_id;
    return html`<span key=${n} class=${mine ? "mention self" : "mention"} title=${id}>@${nameOf(user) || text || id}</span>`;
  });
}

/** A person: avatar and name; one who is not known is said to be so. */
export function Person({ id, showName = true, showAvatar = true, style_ = "normal", size = 24 }) {
  const card = useCard();
  const user = personOf(id, card);
  const name = nameOf(user) || t("unknown user");
  return html`<span class=${style_ === "capsule" ? "person capsule" : "person"} title=${user ? user.email : asText(id)}>
    ${(showAvatar || !showName) && html`<${Avatar} id=${user?.user_id ?? id} name=${name} size=${size} />`}
    ${showName ? html`<span>${name}</span>` : html`<span class="sr">${name}</span>`}
  </span>`;
}

export function TextTag({ color = "blue", text }) {
  const card = useCard();
  const plain = color === "neutral" || color === "grey" || !colour(`${color}-100`, card);
  const style = plain
    ? { background: "var(--grey-200)", color: "var(--grey-650)" }
    : { background: colour(`${color}-100`, card), color: colour(`${color}-600`, card) };
  return html`<span class="text-tag" style=${style}>${text}</span>`;
}

/** An uploaded picture, or a box that names what cannot be shown. */
export function Picture({ imageKey, alt = "", className = "md-image", style, preview = true }) {
  const [failed, setFailed] = useState("");
  const src = uploadUrl(imageKey);
  if (!src || failed === imageKey) {
    return html`<span class=${`${className} placeholder`} style=${style} role="img" aria-label=${alt || t("Picture")} title=${asText(imageKey)}>
      <${Icon} name="image" size=${24} /><span class="placeholder-text">${alt || asText(imageKey).slice(0, 24) || t("Picture")}</span>
    </span>`;
  }
  const picture = html`<img class=${className} style=${style} src=${src} alt=${alt} title=${alt} onError=${() => setFailed(imageKey)} />`;
  if (!preview) return picture;
  return html`<button type="button" class="picture-button" aria-label=${t("Enlarge {name}", { name: alt || t("Picture") })} onClick=${(event) => { event.stopPropagation(); enlarge(src, alt); }}>${picture}</button>`;
}
