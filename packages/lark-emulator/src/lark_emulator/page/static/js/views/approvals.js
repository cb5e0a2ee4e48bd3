// Native approvals: what can be asked for, what was asked, and who decides.
import { html, useState } from "../../vendor/index.js";
import { post } from "../api.js";
import { count, longTime, shortTime, t } from "../i18n.js";
import { useData } from "../live.js";
import { Avatar, Empty, Failed, toast } from "../ui.js";
import { Pages } from "./bases.js";
import { hrefOf, useApp } from "./context.js";

const SIZE = 20;
const LONGEST = 2000;
const TONES = { PENDING: "pending", APPROVED: "good", REJECTED: "bad" };

function statusName(status) {
  const names = { PENDING: t("pending"), APPROVED: t("approved"), REJECTED: t("rejected"), CANCELED: t("withdrawn"), DELETED: t("deleted"), TRANSFERRED: t("transferred"), DONE: t("not needed"), REVERTED: t("reverted"), ACTIVE: t("active"), INACTIVE: t("disabled") };
  return names[status] ?? status;
}

function stepName(type) {
  const names = { AND: t("all of"), OR: t("any of"), SEQUENTIAL: t("one after another"), CC_NODE: t("copy to") };
  return names[type] ?? type;
}

function noteName(type) {
  const names = { START: t("submitted"), PASS: t("approved"), REJECT: t("rejected"), ROLLBACK: t("sent back"), TRANSFER: t("transferred"), CANCEL: t("withdrawn"), DELETE: t("deleted"), AUTO_PASS: t("passed by itself"), CC: t("copied") };
  return names[type] ?? type;
}

const Status = ({ status }) => html`<span class=${`approval-status ${TONES[status] ?? ""}`}>${statusName(status)}</span>`;

export function Approvals({ rest }) {
  const { me } = useApp();
  const [code] = rest;
  const [status, setStatus] = useState("");
  const [page, setPage] = useState({ of: "", number: 0 });
  const of = `${code ?? ""}/${status}`;
  const number = page.of === of ? page.number : 0;
  const { data, error } = useData("view/approvals", { approval_code: code, status, start: number * SIZE, limit: SIZE });
  if (!data) return html`<${Failed} error=${error} />`;
  const definition = data.definitions.find((one) => one.code === code);
  return html`<div class="split"><aside class="tree" aria-label=${t("Approvals")}>
      <a class=${code ? "tree-item" : "tree-item current"} href=${hrefOf("approvals")} aria-current=${code ? undefined : "page"}><span>${t("All approvals")}</span></a>
      ${data.definitions.map((one) => html`<a key=${one.code} class=${one === definition ? "tree-item current" : "tree-item"} href=${hrefOf("approvals", one.code)} aria-current=${one === definition ? "page" : undefined}><span>${one.name}</span><small>${one.pending > 0 ? t("{n} pending", { n: count(one.pending) }) : count(one.total)}</small></a>`)}
    </aside><section class="approvals" aria-label=${definition?.name ?? t("Approvals")}>
      <header class="pane-head"><h1>${definition?.name ?? t("Approvals")}</h1>${definition && definition.status !== "ACTIVE" && html`<span class="mini-tag">${statusName(definition.status)}</span>`}<span class="dim">${t("{n} instances", { n: count(data.total) })}</span><span class="grow"></span>
        <select class="lark-input approval-filter" aria-label=${t("Status")} value=${status} onChange=${(event) => setStatus(event.target.value)}><option value="">${t("any status")}</option>
          ${["PENDING", "APPROVED", "REJECTED", "CANCELED", "DELETED"].map((one) => html`<option key=${one} value=${one}>${statusName(one)}</option>`)}</select>
        <${Pages} page=${number} pages=${Math.max(1, Math.ceil(data.total / SIZE))} go=${(wanted) => setPage({ of, number: wanted })} /></header>
      <${Failed} error=${error} />
      <div class="approval-list">
        ${definition && html`<${Definition} definition=${definition} />`}
        ${data.items.map((one) => html`<${Instance} key=${`${one.code}/${me?.user_id}`} instance=${one} me=${me} />`)}
        ${!data.items.length && html`<${Empty}>${data.definitions.length ? t("No instances. An app creates one.") : t("No approvals yet. A test defines one.")}</${Empty}>`}
      </div></section></div>`;
}

function Definition({ definition }) {
  const { users } = useApp();
  return html`<div class="approval-definition dim"><div><code>${definition.code}</code></div>
    ${definition.widgets.length > 0 && html`<div>${t("Form")}: ${definition.widgets.join(" · ")}</div>`}
    ${definition.nodes.length > 0 && html`<div>${t("Steps")}: ${definition.nodes.map((node) => `${node.name} (${stepName(node.node_type)} ${node.approvers.map((one) => called(one, users)).join(", ") || (node.need_approver ? t("whom the request names") : t("nobody"))})`).join(" → ")}</div>`}</div>`;
}

/** What the language calls a person. */
const called = (person, users) => users.find((one) => one.user_id === person?.id)?.name ?? person?.name;

function Instance({ instance, me }) {
  const { users } = useApp();
  const { tasks, timeline, comments } = instance;
  const submitter = { ...instance.submitter, name: called(instance.submitter, users) };
  const mine = me && tasks.find((one) => one.status === "PENDING" && one.person?.id === me.user_id);
  const ended = instance.end_time > 0 ? ` – ${shortTime(instance.end_time)}` : "";
  return html`<article class="approval" data-instance=${instance.code}>
    <div class="approval-top"><${Avatar} id=${submitter.id} name=${submitter.name} size=${32} bot=${submitter.is_app} />
      <div class="approval-title"><b>${instance.name}</b> <code>${instance.serial_number}</code><div class="dim">${submitter.name} · <time title=${longTime(instance.start_time)}>${shortTime(instance.start_time)}</time>${ended}</div></div>
      <${Status} status=${instance.reverted ? "REVERTED" : instance.status} /></div>
    ${instance.form.length > 0 && html`<dl class="approval-form">${instance.form.map((one) => html`<dt key=${`t${one.id}`}>${one.name || one.id}</dt><dd key=${`d${one.id}`}><${Value} widget=${one} /></dd>`)}</dl>`}
    ${tasks.length > 0 && html`<ol class="approval-tasks" aria-label=${t("Steps")}>${tasks.map((one) => html`<li key=${one.task_id} data-status=${one.status}>
      <span class="dim">${one.is_sent_back ? t("Sent back to") : one.node}</span> <span>${called(one.person, users) ?? t("nobody")}</span> <${Status} status=${one.status} /> ${one.end_time > 0 && html`<time class="dim" title=${longTime(one.end_time)}>${shortTime(one.end_time)}</time>`}</li>`)}</ol>`}
    ${timeline.some((one) => one.comment) && html`<ul class="approval-notes" aria-label=${t("Opinions")}>${timeline.map((one, n) => one.comment && html`<li key=${n}><b>${called(one.person, users) ?? ""}</b> <span class="dim">${noteName(one.type)} · ${shortTime(one.time)}</span><div>${one.comment}</div></li>`)}</ul>`}
    ${comments.length > 0 && html`<ul class="approval-notes" aria-label=${t("Comments")}>${comments.map((one, n) => html`<li key=${n}><b>${called(one.author, users)}</b> <span class="dim">${shortTime(one.time)}</span><div>${commentText(one.content)}</div></li>`)}</ul>`}
    ${(mine || (instance.may_withdraw && me && submitter.id === me.user_id)) && html`<${Deciding} instance=${instance} task=${mine} me=${me} />`}
  </article>`;
}

/** What the person may do: decide a task of theirs, or withdraw what they asked for. */
function Deciding({ instance, task, me }) {
  const [comment, setComment] = useState("");
  const [isBusy, setBusy] = useState(false);
  const canDecide = task && !task.is_sent_back;
  const decide = async (decision) => {
    setBusy(true);
    try {
      await post("approvals/decide", decision === "withdraw" ? { instance: instance.code, decision } : { instance: instance.code, decision, user_id: me.user_id, comment: comment.trim() });
      setComment("");
    } catch (error) {
      toast(error.message, "error");
    }
    setBusy(false);
  };
  return html`<div class="approval-decide">
    ${canDecide && html`<textarea class="lark-input" rows="1" aria-label=${t("Comment")} placeholder=${t("Comment")} value=${comment} onInput=${(event) => setComment(event.target.value)}></textarea>
      <button type="button" class="plain-button primary" disabled=${isBusy} onClick=${() => decide("approve")}>${t("Approve")}</button>
      <button type="button" class="plain-button danger" disabled=${isBusy} onClick=${() => decide("reject")}>${t("Reject")}</button>`}
    ${task && !canDecide && html`<span class="dim">${t("It was sent back; whoever submitted it submits it again.")}</span>`}
    ${instance.may_withdraw && instance.submitter.id === me.user_id && html`<button type="button" class="plain-button" disabled=${isBusy} onClick=${() => decide("withdraw")}>${t("Withdraw")}</button>`}
  </div>`;
}

/** A comment is JSON whose `text` people see. */
function commentText(content) {
  try {
    const read = JSON.parse(content);
    return typeof read?.text === "string" ? read.text : content;
  } catch {
    return content;
  }
}

/** The value of a widget as text, or as rows of widgets. */
function Value({ widget }) {
  const { users } = useApp();
  const { value } = widget;
  if (widget.type === "fieldList" && Array.isArray(value)) {
    return html`${value.slice(0, 50).map((row, n) => html`<div key=${n} class="approval-row">${(Array.isArray(row) ? row : []).map((one) => `${one?.name || one?.id}: ${textOf(one?.value, users)}`).join(" · ")}</div>`)}`;
  }
  const text = textOf(value, users) || (Array.isArray(widget.open_ids) ? textOf(widget.open_ids, users) : "");
  return `${text.slice(0, LONGEST)}${widget.currency ? ` ${widget.currency}` : ""}`;
}

function textOf(value, users) {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.map((one) => textOf(one, users)).filter(Boolean).join(", ");
  if (typeof value === "object") {
    if ("start" in value && "end" in value) return `${value.start} – ${value.end}`;
    if ("nationalNumber" in value) return `${value.countryCode ?? ""} ${value.nationalNumber}`.trim();
    return JSON.stringify(value);
  }
  return users.find((one) => one.user_id === value || Object.values(one.open_ids).includes(value))?.name ?? String(value);
}
