// Chats as one user sees them: the list, and one chat with its messages in a window that moves.
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../../vendor/index.js";
import { count, shortTime, t } from "../i18n.js";
import { useData } from "../live.js";
import { Avatar, Empty, Failed, Icon } from "../ui.js";
import { ChatContext, hrefOf, useApp } from "./context.js";
import { Message, preview } from "./message.js";

const PAGE = 40;
/** Messages in the page at once; further ones come when a person scrolls to them. */
const MOST = 120;

export function chatName(chat, apps) {
  if (chat.chat_mode !== "p2p") return chat.name || chat.chat_id;
  return apps.find((app) => chat.bots.includes(app.app_id))?.name ?? chat.chat_id;
}

export function Chats({ rest }) {
  const { overview, apps, me } = useApp();
  const [chosen, threadId] = rest;
  const mine = overview.chats.filter((chat) => me && chat.users.includes(me.user_id));
  const all = [...mine, ...overview.webhooks.map((hook) => ({ ...hook, users: [], bots: [], isHook: true }))];
  const wide = window.matchMedia("(min-width: 720px)").matches;
  const current = all.find((chat) => chat.chat_id === chosen) ?? (chosen || !wide ? null : all[0]);
  return html`<div class=${chosen ? "chats open" : "chats"}>
    <aside class="chat-list" aria-label=${t("Chats")}>
      ${all.map((chat) => html`<${ChatLine} key=${chat.chat_id} chat=${chat} apps=${apps} isCurrent=${current?.chat_id === chat.chat_id} />`)}
      ${overview.chat_count > overview.chats.length && html`<div class="hint">${t("{n} chats; the newest are listed", { n: count(overview.chat_count) })}</div>`}
      ${all.length > 0 && html`<div class="hint">${t("This is a stand-in for Lark. What your programs send appears here; what you click is sent to them.")}</div>`}
      ${!all.length && html`<${Empty}>${t("{name} is in no chat. What an app sends appears here.", { name: me?.name ?? "" })}</${Empty}>`}
    </aside>
    ${current
      ? html`<${ChatContext.Provider} value=${current}><${Chat} key=${`${current.chat_id}/${threadId ?? ""}`} chat=${current} threadId=${threadId} /></${ChatContext.Provider}>`
      : html`<section class="chat"><${Empty}>${chosen ? t("This user is not in that chat.") : t("Choose a chat.")}</${Empty}></section>`}
  </div>`;
}

function ChatLine({ chat, apps, isCurrent }) {
  const name = chatName(chat, apps);
  const last = chat.last;
  return html`<a class=${isCurrent ? "chat-line current" : "chat-line"} href=${hrefOf("chats", chat.chat_id)} aria-current=${isCurrent ? "true" : undefined}>
    <${Avatar} id=${chat.chat_id} name=${name} size=${40} bot=${chat.chat_mode === "p2p" || chat.isHook} />
    <span class="chat-line-texts">
      <span class="chat-line-top"><b>${name}</b>${chat.isHook && html`<span class="mini-tag">${t("webhook")}</span>`}${chat.dissolved && html`<span class="mini-tag">${t("dissolved")}</span>`}<time>${last ? shortTime(last.create_time) : chat.active_time ? shortTime(chat.active_time) : ""}</time></span>
      <span class="chat-line-last">${last ? preview(last) : chat.message_count ? t("{n} messages", { n: count(chat.message_count) }) : t("no messages yet")}</span>
    </span>
  </a>`;
}

/** Which messages are shown: the newest ones, or those from a number on. */
function useWindow(chat, threadId) {
  const [start, setStart] = useState(null);
  const [size, setSize] = useState(PAGE);
  const params = { chat_id: chat.chat_id, thread_id: threadId, limit: size, ...(start === null ? {} : { start }) };
  const { data, error, fresh } = useData("view/messages", params);
  const kept = useRef(new Map());
  const shown = useRef(null);
  if (data && (fresh || !shown.current)) shown.current = data;
  const items = useMemo(() => {
    const next = new Map();
    for (const item of shown.current?.items ?? []) {
      const old = kept.current.get(item.message_id);
      const text = JSON.stringify(item);
      next.set(item.message_id, old?.text === text ? old : { text, item });
    }
    kept.current = next;
    return [...next.values()].map((one) => one.item);
  }, [shown.current]);
  const first = shown.current?.start ?? 0;
  const total = shown.current?.total ?? 0;
  return {
    items, error, first, total, isAtEnd: start === null, isLoaded: Boolean(shown.current), fresh,
    older: () => {
      const from = Math.max(0, first - PAGE);
      setStart(from);
      setSize(Math.min(MOST, items.length + (first - from)));
    },
    newer: () => {
      const end = Math.min(total, first + items.length + PAGE);
      if (end >= total) {
        setSize(Math.min(MOST, total - Math.max(first, total - MOST)) || PAGE);
        setStart(null);
      } else {
        const from = Math.max(0, end - MOST);
        setStart(Math.max(from, first));
        setSize(Math.min(MOST, end - Math.max(from, first)));
      }
    },
    newest: () => {
      setStart(null);
      setSize(PAGE);
    },
  };
}

function Chat({ chat, threadId }) {
  const { apps, users } = useApp();
  const view = useWindow(chat, threadId);
  const pane = useRef(null);
  const stays = useRef({ bottom: true, anchor: null });
  const [behind, setBehind] = useState(0);
  const seen = useRef(0);
  const last = view.items[view.items.length - 1];
  useLayoutEffect(() => {
    const box = pane.current;
    if (!box || !view.isLoaded) return;
    const { anchor, bottom } = stays.current;
    if (anchor) {
      const line = box.querySelector(`[data-message="${CSS.escape(anchor.id)}"]`);
      if (line && view.fresh) {
        box.scrollTop += line.getBoundingClientRect().top - anchor.top;
        stays.current.anchor = null;
      }
    } else if (bottom && view.isAtEnd) box.scrollTop = box.scrollHeight;
  }, [view.items]);
  useEffect(() => {
    // Pictures and cards grow after they are drawn: whoever is at the end stays there.
    const inner = pane.current?.firstElementChild;
    if (!inner) return undefined;
    const watch = new ResizeObserver(() => {
      if (stays.current.bottom && view.isAtEnd && pane.current) pane.current.scrollTop = pane.current.scrollHeight;
    });
    watch.observe(inner);
    return () => watch.disconnect();
  }, [view.isAtEnd, view.isLoaded]);
  useEffect(() => {
    if (stays.current.bottom && view.isAtEnd) {
      seen.current = view.total;
      setBehind(0);
    } else setBehind(Math.max(0, view.total - seen.current));
  }, [view.total, view.isAtEnd]);
  const anchorAt = (id) => {
    const line = pane.current.querySelector(`[data-message="${CSS.escape(id)}"]`);
    if (line) stays.current.anchor = { id, top: line.getBoundingClientRect().top };
  };
  const older = () => {
    if (view.items[0]) anchorAt(view.items[0].message_id);
    view.older();
  };
  const newer = () => {
    if (last) anchorAt(last.message_id);
    view.newer();
  };
  const scrolled = () => {
    const box = pane.current;
    stays.current.bottom = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    if (stays.current.bottom && view.isAtEnd) {
      seen.current = view.total;
      setBehind(0);
    }
    if (!view.fresh || stays.current.anchor) return;
    if (box.scrollTop < 80 && view.first > 0) older();
    else if (stays.current.bottom && view.first + view.items.length < view.total) newer();
  };
  const newest = () => {
    stays.current = { bottom: true, anchor: null };
    view.newest();
    requestAnimationFrame(() => pane.current && (pane.current.scrollTop = pane.current.scrollHeight));
  };
  const name = chatName(chat, apps);
  return html`<section class="chat" aria-label=${name}>
    <header class="chat-head">
      <a class="chat-back" href=${threadId ? hrefOf("chats", chat.chat_id) : hrefOf("chats")} aria-label=${t("Back")}><${Icon} name="back" /></a>
      <div><h1>${threadId ? t("Thread in {name}", { name }) : name}</h1><div class="chat-about">${about(chat, users, apps)}</div></div>
      ${threadId && html`<a class="plain-button" href=${hrefOf("chats", chat.chat_id)}>${t("Whole chat")}</a>`}
    </header>
    <${Failed} error=${view.error} />
    <div class="messages" ref=${pane} onScroll=${scrolled} tabindex="0" role="log" aria-label=${t("Messages")}><div class="messages-inner">
      ${view.first > 0 && html`<button type="button" class="link-button older" onClick=${older}>${t("Earlier messages ({n})", { n: count(view.first) })}</button>`}
      ${view.items.map((item, n) => html`<${Message} key=${item.message_id} message=${item} before=${view.items[n - 1]} chat=${chat} inThread=${Boolean(threadId)} />`)}
      ${view.isLoaded && !view.items.length && html`<${Empty}>${t("No messages yet. What an app sends appears here at once.")}</${Empty}>`}
      ${view.first + view.items.length < view.total && html`<button type="button" class="link-button older" onClick=${newer}>${t("Later messages")}</button>`}
    </div></div>
    ${(behind > 0 || !view.isAtEnd) && html`<button type="button" class="to-newest" onClick=${newest}><${Icon} name="down" size=${16} />${behind > 0 ? t("{n} new", { n: count(behind) }) : t("Newest")}</button>`}
  </section>`;
}

function about(chat, users, apps) {
  if (chat.isHook) return t("custom bot: its cards cannot be used");
  const people = chat.users.map((id) => users.find((user) => user.user_id === id)?.name ?? id);
  const bots = chat.bots.map((id) => apps.find((app) => app.app_id === id)?.name ?? id);
  const names = [...people, ...bots];
  return names.length > 8 ? `${names.slice(0, 8).join(", ")} … ${t("{n} members", { n: count(names.length) })}` : names.join(", ");
}
