// Pickers of dates and times: the browser's own, whose values are sent as Lark sends them, with the offset behind.
import { html, useRef } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { asText, textOf } from "./context.js";
import { Labelled, controlWidth, useId, useValue } from "./controls.js";
import { register } from "./tags.js";
import { useAction } from "./using.js";

const KINDS = {
  date_picker: { type: "date", initial: "initial_date", shape: /^(\d{4}-\d{2}-\d{2})/, name: "Date" },
  picker_time: { type: "time", initial: "initial_time", shape: /^(\d{2}:\d{2})/, name: "Time" },
  picker_datetime: { type: "datetime-local", initial: "initial_datetime", shape: /^(\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2})/, name: "Date and time" },
};

/** The offset of this computer's zone at a date, as in `+0800`. */
function offset(value) {
  const date = value.includes("-") ? new Date(value) : new Date();
  const minutes = -(Number.isNaN(date.getTime()) ? new Date() : date).getTimezoneOffset();
  const two = (number) => String(number).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}${two(Math.abs(minutes) % 60)}`;
}

/** What Lark sends for what the browser's picker holds. */
const said = (value) => (value ? `${value.replace("T", " ")} ${offset(value)}` : "");
/** What the browser's picker needs for what Lark sends. */
const held = (value, kind) => (kind.shape.exec(asText(value))?.[1] ?? "").replace(" ", "T");

function Picker({ node, path }) {
  const kind = KINDS[node.tag];
  const act = useAction(node, path);
  const start = held(node[kind.initial], kind);
  const { value, set, form, isMissing } = useValue(node, said(start));
  const id = useId();
  const typing = useRef(false);
  const told = useRef(said(start));
  const tell = async (next) => {
    if (form || !act.isCalling || !next || next === told.current) return;
    const before = told.current;
    told.current = next;
    if (!(await act.run({ option: next }, true))) {
      told.current = before;
      set(before);
    }
  };
  // While a person types, each key may make a valid date: it is told when they are done.
  const change = (event) => {
    const next = said(event.target.value);
    set(next);
    if (!typing.current) tell(next);
  };
  const done = (event) => {
    typing.current = false;
    tell(said(event.target.value));
  };
  const placeholder = textOf(node.placeholder);
  return html`<${Labelled} node=${node} missing=${isMissing} id=${id}><span class=${value ? "picker" : "picker empty-picker"} style=${{ width: controlWidth(node, "282px") }} onClick=${(event) => event.stopPropagation()}>
    <input id=${id} class="lark-input" type=${kind.type} value=${held(value, kind)} disabled=${act.disabled} title=${act.tip} aria-label=${placeholder || t(kind.name)} aria-invalid=${isMissing}
      onInput=${change} onBlur=${done} onKeyDown=${(event) => { typing.current = true; if (event.key === "Enter") done(event); }} onPointerDown=${() => { typing.current = false; }} />
    ${placeholder && !value && html`<span class="picker-placeholder" aria-hidden="true">${placeholder}</span>`}
  </span></${Labelled}>`;
}

register({ date_picker: Picker, picker_time: Picker, picker_datetime: Picker });
