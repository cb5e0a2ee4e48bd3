// A post: lines of texts, links, mentions, pictures and code.
import { html } from "../../vendor/index.js";
import { Anchor, Markdown, Picture } from "../cards/markdown.js";
import { asText, isObject, listOf, nameOf } from "../cards/context.js";
import { EMOJIS } from "../cards/inline.js";
import { cardLocale, t } from "../i18n.js";
import { useApp } from "./context.js";

const STYLES = { bold: "strong", italic: "em", underline: "u", lineThrough: "del" };

export function Post({ content }) {
  const all = isObject(content) ? content : {};
  const post = isObject(all[cardLocale()]) ? all[cardLocale()] : Object.values(all).find(isObject) ?? all;
  return html`${asText(post.title) && html`<div class="post-title">${post.title}</div>`}
    ${listOf(post.content).map((line, n) => html`<div key=${n} class="post-line">${listOf(line).map((piece, m) => isObject(piece) && html`<${Piece} key=${m} piece=${piece} />`)}</div>`)}`;
}

function Piece({ piece }) {
  const { users } = useApp();
  let shown;
  switch (piece.tag) {
    case "text":
      shown = asText(piece.text);
      break;
    case "a":
      shown = html`<${Anchor} address=${piece.href}>${asText(piece.text) || asText(piece.href)}</${Anchor}>`;
      break;
    case "at": {
      const user = users.find((one) => one.user_id === piece.user_id || Object.values(one.open_ids).includes(piece.user_id));
      shown = html`<span class="mention">@${piece.user_id === "all" || piece.user_id === "@_all" ? t("All") : nameOf(user) || asText(piece.user_name) || asText(piece.user_id)}</span>`;
      break;
    }
    case "img":
      shown = html`<${Picture} imageKey=${piece.image_key} className="message-image" />`;
      break;
    case "emotion":
      shown = html`<span class="emoji">${Object.hasOwn(EMOJIS, piece.emoji_type) ? EMOJIS[piece.emoji_type] : `[${asText(piece.emoji_type)}]`}</span>`;
      break;
    case "code_block":
      return html`<div class="md-code">${piece.language && html`<div class="md-language">${asText(piece.language)}</div>`}<pre tabindex="0"><code>${asText(piece.text)}</code></pre></div>`;
    case "hr":
      return html`<hr class="card-hr" />`;
    case "md":
      return html`<${Markdown} text=${piece.text} version="2.0" />`;
    default:
      return html`<span class="named">[${asText(piece.tag)}]</span>`;
  }
  return listOf(piece.style).reduce((inner, name) => (Object.hasOwn(STYLES, name) ? html`<${STYLES[name]}>${inner}</${STYLES[name]}>` : inner), html`<span class="post-text">${shown}</span>`);
}
