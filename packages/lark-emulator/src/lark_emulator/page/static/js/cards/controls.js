// Buttons, inputs, checkers and menus of a card.
import { html, useEffect, useRef, useState } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { Icon, ask, useDismiss } from "../ui.js";
import { Icon2 } from "./elements.js";
import { asText, extent, isObject, lengths, linkOf, listOf, localized, textOf, useCard, useForm } from "./context.js";
import { Inline } from "./markdown.js";
import { register } from "./tags.js";
import { resets, submits, useAction } from "./using.js";


const KINDS = new Set(["default", "primary", "danger", "text", "primary_text", "danger_text", "primary_filled", "danger_filled", "laser"]);
const SIZES = new Set(["tiny", "small", "medium", "large"]);

/** The width of a control: `default`, `fill`, or pixels. */
export function controlWidth(node, usual) {
  return extent(node.width) ?? usual;
}

function Button({ node, path }) {
  const form = useForm();
  const act = useAction(node, path);
  const click = async (event) => {
    event.stopPropagation();
    if (act.disabled) return;
    if (form && resets(node)) {
      if (!isObject(node.confirm) || (await ask(textOf(node.confirm.title), textOf(node.confirm.text)))) form.reset();
      return;
    }
    if (form && submits(node)) await form.submit(path, node.confirm);
    else await act.run({});
  };
  const kind = KINDS.has(node.type) ? node.type : "default";
  const size = SIZES.has(node.size) ? node.size : "medium";
  return html`<button type="button" class=${`lark-button button-${kind} size-${size}${act.busy ? " busy" : ""}`} style=${{ width: controlWidth(node) }} disabled=${act.disabled} aria-busy=${act.busy} title=${act.tip} onClick=${click}>
    ${isObject(node.icon) && html`<${Icon2} icon=${node.icon} size=${16} />`}<span>${textOf(node.text)}</span>
  </button>`;
}

/** A label above or at the left of a control, with a star if it is required. */
export function Labelled({ node, children, missing = false, id }) {
  const label = node.label !== undefined ? textOf(node.label) : "";
  const star = node.required === true ? html`<span class="star" aria-hidden="true">*</span>` : null;
  return html`<div class=${`labelled label-${node.label_position === "left" ? "left" : "top"}${missing ? " missing" : ""}`}>
    ${(label || (star && node.label !== undefined)) && html`<label class="control-label" for=${id}>${label}${star}</label>`}
    <div class="control-with-star">${children}${!label && star}</div>
    ${missing && html`<span class="missing-text" role="alert">${t("Required")}</span>`}
  </div>`;
}

/** The value of a control: kept by its form if it is in one, and reset with it. */
export function useValue(node, initial) {
  const form = useForm();
  const [value, setValue] = useState(initial);
  const name = asText(node.name);
  useEffect(() => {
    setValue(initial);
    if (form) form.set(name, initial);
  }, [form?.round, JSON.stringify(initial)]);
  const set = (next) => {
    setValue(next);
    if (form) form.set(name, next);
  };
  return { value, set, form, isMissing: Boolean(form && name && form.missing.includes(name)) };
}

let ids = 0;
/** An id that is used once in the page, for a label and its control. */
export function useId() {
  const id = useRef("");
  if (!id.current) id.current = `control-${(ids += 1)}`;
  return id.current;
}

function Input({ node, path }) {
  const act = useAction(node, path);
  const { value, set, form, isMissing } = useValue(node, asText(localized(node, "default_value")));
  const id = useId();
  const [seen, setSeen] = useState(false);
  const area = useRef(null);
  const isLong = node.input_type === "multiline_text";
  const isSecret = node.input_type === "password";
  const length = Number.isInteger(node.max_length) && node.max_length > 0 ? Math.min(1000, node.max_length) : 1000;
  const send = async () => {
    if (form || !value) return;
    await act.run({ input_value: value });
  };
  const common = {
    id,
    class: "lark-input",
    value,
    maxLength: length,
    disabled: act.disabled,
    placeholder: node.placeholder !== undefined ? textOf(node.placeholder) : undefined,
    "aria-label": node.label !== undefined ? undefined : textOf(node.placeholder) || asText(node.name) || t("Input"),
    "aria-invalid": isMissing,
    onInput: (event) => set(event.target.value),
    onClick: (event) => event.stopPropagation(),
  };
  useEffect(() => {
    if (area.current && node.auto_resize === true) {
      area.current.style.height = "auto";
      const most = Number.isInteger(node.max_rows) ? node.max_rows * 22 + 12 : 400;
      area.current.style.height = `${Math.min(most, area.current.scrollHeight + 2)}px`;
    }
  }, [value]);
  const field = isLong
    ? html`<textarea ...${common} ref=${area} rows=${Number.isInteger(node.rows) ? Math.min(30, Math.max(1, node.rows)) : 5}></textarea>`
    : html`<input ...${common} type=${isSecret && !seen ? "password" : "text"} autocomplete="off" onKeyDown=${(event) => event.key === "Enter" && !event.isComposing && send()} />`;
  return html`<${Labelled} node=${node} missing=${isMissing} id=${id}><span class=${isLong ? "input-box long" : "input-box"} style=${{ width: controlWidth(node, "282px") }}>
    ${field}
    ${isSecret && node.show_icon !== false && html`<button type="button" class="input-tool" aria-label=${t("Show the text")} aria-pressed=${seen} onClick=${() => setSeen(!seen)}><${Icon} name="eye" size=${16} /></button>`}
    ${!form && act.isCalling && html`<button type="button" class="input-tool send" aria-label=${t("Send")} disabled=${act.disabled || !value} onClick=${(event) => { event.stopPropagation(); send(); }}><${Icon} name="send" size=${16} /></button>`}
  </span></${Labelled}>`;
}

function Checker({ node, path }) {
  const act = useAction(node, path);
  const { value, set, form } = useValue(node, node.checked === true);
  const id = useId();
  const style = isObject(node.checked_style) ? node.checked_style : {};
  const area = isObject(node.button_area) ? node.button_area : {};
  const change = async (event) => {
    event.stopPropagation();
    const next = event.target.checked;
    set(next);
    if (!form && act.isCalling && !(await act.run({ checked: next }))) set(!next);
  };
  const ticked = value && { textDecoration: style.show_strikethrough === true ? "line-through" : undefined, opacity: Number.isFinite(style.opacity) ? String(Math.min(1, Math.max(0, style.opacity))) : undefined };
  const text = isObject(node.text) ? node.text : {};
  return html`<div class=${area.pc_display_rule === "on_hover" ? "checker hover-buttons" : "checker"} style=${{ padding: lengths(node.padding) }} title=${act.tip}>
    <input type="checkbox" id=${id} checked=${value} disabled=${act.disabled} onChange=${change} onClick=${(event) => event.stopPropagation()} />
    <label for=${node.overall_checkable === false ? undefined : id} style=${ticked || {}} onClick=${(event) => event.stopPropagation()}><${Inline} text=${textOf(text)} marks=${text.tag === "lark_md"} /></label>
    <span class="checker-buttons">${listOf(area.buttons).slice(0, 3).map((one, n) => isObject(one) && html`<${Button} key=${n} node=${{ size: "small", ...one }} path=${`${path}.button_area.buttons.${n}`} />`)}</span>
  </div>`;
}

function Overflow({ node, path }) {
  const [open, setOpen] = useState(false);
  const act = useAction(node, path);
  const place = useDismiss(open, () => setOpen(false));
  const options = listOf(node.options).filter(isObject);
  const choose = async (option) => {
    setOpen(false);
    const url = linkOf(option.multi_url) || linkOf(option.url);
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    if (option.value !== undefined) await act.run({ option: asText(option.value) });
  };
  return html`<span class="menu-place" ref=${place} onKeyDown=${(event) => event.key === "Escape" && setOpen(false)} onClick=${(event) => event.stopPropagation()}>
    <button type="button" class=${`lark-button button-default size-medium overflow${act.busy ? " busy" : ""}`} style=${{ width: controlWidth(node) }} disabled=${act.disabled} aria-haspopup="menu" aria-expanded=${open} aria-label=${t("More")} onClick=${() => setOpen(!open)}><${Icon} name="more" size=${16} /></button>
    ${open && html`<div class="menu" role="menu">${options.map((option, n) => html`<button key=${n} type="button" role="menuitem" class="menu-item" onClick=${() => choose(option)}>${isObject(option.icon) && html`<${Icon2} icon=${option.icon} />`}${textOf(option.text)}</button>`)}</div>`}
  </span>`;
}

register({ button: Button, input: Input, checker: Checker, overflow: Overflow });
