// One message: who sent it, what it says, and its outcome.
import { html, useMemo } from "../../vendor/index.js";
import { uploadUrl } from "../api.js";
import { Card } from "../cards/all.js";
import { CardContext } from "../cards/context.js";
import { EMOJIS } from "../cards/inline.js";
import { LONGEST, Picture } from "../cards/markdown.js";
import { longTime, shortTime, t } from "../i18n.js";
import { Avatar, Icon } from "../ui.js";
import { hrefOf, useApp } from "./context.js";
import { Post } from "./post.js";

const GROUPED_MS = 5 * 60 * 1000;
const KINDS = { image: "picture", file: "file", audio: "audio", media: "video", sticker: "sticker", interactive: "card", post: "post", share_chat: "group card", share_user: "contact card" };

/** One line of a message. */
export function preview(message) {
  if (message.deleted) return t("recalled");
  const kind = KINDS[message.msg_type];
  return [kind && `[${t(kind)}]`, message.text?.replace(/<at[^>]*>(.*?)<\/at>/g, "@$1")].filter(Boolean).join(" ") || `[${message.msg_type}]`;
}

export function Message({ message, before, chat, inThread }) {
  const { users, apps, me } = useApp();
  const app = apps.find((one) => one.app_id === message.sender);
  const person = message.sender_user ? users.find((one) => one.user_id === message.sender_user) : null;
  const name = message.sender_name ?? person?.name ?? (message.sender_user || app?.name) ?? message.sender;
  const isGrouped = before && before.sender === message.sender && before.sender_user === message.sender_user && message.create_time - before.create_time < GROUPED_MS && !message.parent && before.in_thread === message.in_thread && before.sender_name === message.sender_name;
  const day = new Date(message.create_time).toDateString();
  const isNewDay = !before || new Date(before.create_time).toDateString() !== day;
  const body = useMemo(() => {
    const context = { version: "2.0", users, me, appId: message.sender, colours: {}, sizes: {} };
    return html`<${CardContext.Provider} value=${context}><${Body} message=${message} users=${users} me=${me} /></${CardContext.Provider}>`;
  }, [message, users, me]);
  return html`${isNewDay && html`<div class="day"><span>${longTime(message.create_time).split(/[ ,，]/)[0]}</span></div>`}
    <article class=${`message${isGrouped && !isNewDay ? " grouped" : ""}${message.in_thread && !inThread ? " in-thread" : ""}`} data-message=${message.message_id} data-type=${message.msg_type}>
      <${Avatar} id=${message.sender_user || message.sender || name} name=${name} size=${36} bot=${!message.sender_user} />
      <div class="message-main">
        <div class="message-top"><b>${name}</b>${!message.sender_user && html`<span class="mini-tag">${t("bot")}</span>`}<time title=${longTime(message.create_time)}>${shortTime(message.create_time)}</time></div>
        ${message.parent && html`<div class="quote">${t("Reply to {name}", { name: users.find((one) => one.user_id === message.parent.sender_user)?.name ?? apps.find((one) => one.app_id === message.parent.sender)?.name ?? message.parent.sender })}: ${preview(message.parent)}</div>`}
        ${message.deleted ? html`<div class="recalled">${t("This message was recalled")}</div>` : body}
        <div class="message-states">
          <${Marks} message=${message} users=${users} apps=${apps} />
          ${message.edits > 0 && !message.deleted && html`<span class="state" title=${longTime(message.update_time)}>${message.msg_type === "interactive" ? t("updated") : t("edited")} ${shortTime(message.update_time)}</span>`}
          ${message.used_by?.length > 0 && html`<span class="state used">${t("clicked by {names}", { names: message.used_by.slice(0, 8).map((id) => users.find((user) => user.user_id === id)?.name ?? id).join(", ") })}</span>`}
          ${message.thread_id && !inThread && html`<a class="state" href=${hrefOf("chats", chat.chat_id, message.thread_id)}><${Icon} name="thread" size=${14} /> ${message.in_thread ? t("in a thread") : t("open the thread")}</a>`}
        </div>
      </div>
    </article>`;
}

function urgentName(kind) {
  const names = { app: t("urgent (app)"), sms: t("urgent (SMS)"), phone: t("urgent (phone)") };
  return names[kind] ?? kind;
}

/** Reactions, urgent notices and the pin of a message. */
function Marks({ message, users, apps }) {
  const byEmoji = new Map();
  for (const one of message.reactions ?? []) {
    const name = users.find((user) => user.user_id === one.user)?.name ?? apps.find((app) => app.app_id === one.app_id)?.name ?? one.user ?? one.app_id;
    byEmoji.set(one.emoji_type, [...(byEmoji.get(one.emoji_type) ?? []), name]);
  }
  return html`${[...byEmoji].map(([emoji, names]) => html`<span key=${emoji} class="reaction" title=${emoji}>${Object.hasOwn(EMOJIS, emoji) ? EMOJIS[emoji] : emoji} ${names.join(", ")}</span>`)}
    ${(message.urgent ?? []).map((one) => html`<span key=${one.kind} class="state urgent" title=${one.users.map((id) => users.find((user) => user.user_id === id)?.name ?? id).join(", ")}>${urgentName(one.kind)}</span>`)}
    ${message.pinned_by && html`<span class="state">${t("pinned")}</span>`}`;
}

function Body({ message, users, me }) {
  const content = message.content ?? {};
  switch (message.msg_type) {
    case "interactive":
      // An updated card starts from its own values, as in Lark; one that streams grows, and what is open in it stays open.
      return html`<${Card} key=${content.config?.streaming_mode === true ? "streaming" : `${message.update_time}/${message.edits}`} message=${message} people=${users} me=${me ?? {}} readOnly=${message.read_only === true} />`;
    case "text":
      return html`<div class="bubble"><${Text} text=${content.text} /></div>`;
    case "post":
      return html`<div class="bubble post"><${Post} content=${content} /></div>`;
    case "image":
      return html`<div class="sent-image"><${Picture} imageKey=${content.image_key} alt=${t("Picture")} className="message-image" /></div>`;
    case "file":
    case "audio":
    case "media":
      return html`<a class="bubble file" href=${uploadUrl(content.file_key)} download=${content.file_name ?? ""}><${Icon} name=${message.msg_type === "file" ? "file" : "play"} size=${24} /><span>${content.file_name || t(KINDS[message.msg_type])}<small>${content.file_key}</small></span></a>`;
    case "merge_forward":
      return html`<div class="bubble">${(message.parts ?? []).slice(0, 50).map((part, n) => html`<div key=${n} class="quote">${preview({ ...part, text: part.content?.text ?? "" })}</div>`)}</div>`;
    default:
      return html`<div class="bubble"><span class="named">${t(KINDS[message.msg_type] ?? message.msg_type)}</span> <code>${JSON.stringify(content).slice(0, 300)}</code></div>`;
  }
}

const AT = /<at\s+user_id\s*=\s*"([^"]{0,80})"\s*>(.{0,200}?)<\/at>/gs;

/** A text message: links and mentions, nothing else. */
function Text({ text }) {
  const { users } = useApp();
  const whole = typeof text === "string" ? text : "";
  const shown = whole.slice(0, LONGEST);
  const parts = [];
  let at = 0;
  for (const found of shown.matchAll(AT)) {
    parts.push(...linked(shown.slice(at, found.index)));
    const user = users.find((one) => one.user_id === found[1] || Object.values(one.open_ids).includes(found[1]));
    parts.push(html`<span class="mention">@${found[1] === "all" ? t("All") : user?.name ?? found[2]}</span>`);
    at = found.index + found[0].length;
  }
  parts.push(...linked(shown.slice(at)));
  return html`<div class="text">${parts}${whole.length > LONGEST && html`<div class="cut">${t("… {n} more characters are not drawn", { n: whole.length - LONGEST })}</div>`}</div>`;
}

function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"']+)/).map((part, n) => (n % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>` : part));
}

