// Selects of a card: of options, of people, of pictures; of one or of several.
import { html, useContext, useEffect, useRef, useState } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { Avatar, Icon, useDismiss } from "../ui.js";
import { Icon2 } from "./elements.js";
import { asText, isObject, listOf, nameOf, personOf, textOf, useCard } from "./context.js";
import { Labelled, controlWidth, useId, useValue } from "./controls.js";
import { Picture } from "./markdown.js";
import { register } from "./tags.js";
import { useAction } from "./using.js";
import { ChatContext } from "../views/context.js";

/** The options of a select of texts. */
function optionsOf(node) {
  return listOf(node.options).filter(isObject).map((option) => ({ value: asText(option.value), label: textOf(option.text) || asText(option.value), icon: option.icon }));
}

/** People to choose from: those named, else the members of the chat. */
function peopleOf(node, card, chat) {
  const named = listOf(node.options).filter(isObject).map((option) => [asText(option.value), personOf(option.value, card)]);
  const known = named.filter(([, user]) => user);
  const people = known.length ? known : (card.users ?? []).filter((user) => !chat || chat.users.includes(user.user_id)).map((user) => [user.open_ids?.[card.appId] ?? user.user_id, user]);
  return people.map(([value, user]) => ({ value, label: nameOf(user), user }));
}

function startOf(node, options) {
  if (options.some((one) => one.value === node.initial_option)) return node.initial_option;
  const index = Number(node.initial_index);
  return Number.isInteger(index) && index > 0 ? options[index - 1]?.value ?? "" : "";
}

function One({ node, path, options }) {
  const act = useAction(node, path);
  const { value, set, form, isMissing } = useValue(node, startOf(node, options));
  const choose = async (next) => {
    const before = value;
    set(next);
    if (!form && act.isCalling && !(await act.run({ option: next }))) set(before);
  };
  return html`<${Choice} node=${node} act=${act} options=${options} chosen=${value ? [value] : []} choose=${choose} missing=${isMissing} />`;
}

function Several({ node, path, options }) {
  const act = useAction(node, path);
  const initial = listOf(node.selected_values).filter((one) => options.some((option) => option.value === one));
  const { value, set, form, isMissing } = useValue(node, initial);
  const choose = async (next) => {
    const chosen = value.includes(next) ? value.filter((one) => one !== next) : [...value, next];
    set(chosen);
    if (!form && act.isCalling && !(await act.run({ options: chosen }))) set(value);
  };
  return html`<${Choice} node=${node} act=${act} options=${options} chosen=${value} choose=${choose} missing=${isMissing} multiple />`;
}

/** A box that opens a list, used by mouse, finger or keys. */
function Choice({ node, act, options, chosen, choose, missing, multiple = false }) {
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const [sought, setSought] = useState("");
  const id = useId();
  const close = () => {
    setOpen(false);
    setSought("");
  };
  const place = useDismiss(open, close);
  const box = useRef(null);
  const list = useRef(null);
  const search = options.length > 8;
  const shown = sought ? options.filter((one) => one.label.toLowerCase().includes(sought.toLowerCase())) : options;
  const named = options.filter((one) => chosen.includes(one.value));
  const placeholder = textOf(node.placeholder) || t("Select");
  useEffect(() => {
    if (open) list.current?.querySelector(`[data-n="${active}"]`)?.scrollIntoView({ block: "nearest" });
  }, [open, active]);
  const pick = (option) => {
    choose(option.value);
    if (!multiple) {
      close();
      box.current?.focus();
    }
  };
  const keys = (event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
      box.current?.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) setOpen(true);
      else setActive((at) => Math.min(shown.length - 1, Math.max(0, at + (event.key === "ArrowDown" ? 1 : -1))));
    } else if (open && (event.key === "Enter" || (event.key === " " && event.target.tagName !== "INPUT"))) {
      event.preventDefault();
      if (shown[active]) pick(shown[active]);
    } else if (event.key === "Tab" && open) close();
  };
  const content = named.length
    ? named.map((one) => html`<span key=${one.value} class=${multiple ? "chip" : "chosen"}>${one.user && html`<${Avatar} id=${one.user.user_id} name=${one.label} size=${20} />`}${isObject(one.icon) && html`<${Icon2} icon=${one.icon} />`}${one.label}</span>`)
    : html`<span class="placeholder-text">${placeholder}</span>`;
  return html`<${Labelled} node=${node} missing=${missing} id=${id}>
    <span class="menu-place" ref=${place} style=${{ width: controlWidth(node, node.type === "text" ? "auto" : "282px") }} onKeyDown=${keys} onClick=${(event) => event.stopPropagation()}>
      <button type="button" id=${id} ref=${box} class=${`select-box${node.type === "text" ? " as-text" : ""}${act.busy ? " busy" : ""}`} role="combobox" aria-haspopup="listbox" aria-expanded=${open} aria-label=${placeholder} aria-invalid=${missing} disabled=${act.disabled} title=${act.tip} onClick=${() => (open ? close() : setOpen(true))}>
        <span class="select-content">${content}</span><${Icon} name="down" size=${14} />
      </button>
      ${open && html`<div class="menu select-menu">
        ${search && html`<input class="menu-search" aria-label=${t("Search")} placeholder=${t("Search")} value=${sought} onInput=${(event) => { setSought(event.target.value); setActive(0); }} />`}
        <div role="listbox" aria-multiselectable=${multiple} ref=${list} class="menu-list">
          ${shown.map((one, n) => html`<div key=${one.value} data-n=${n} data-value=${one.value} role="option" aria-selected=${chosen.includes(one.value)} class=${`menu-item${n === active ? " active" : ""}`} onPointerMove=${() => setActive(n)} onClick=${() => pick(one)}>
            ${multiple && html`<span class=${chosen.includes(one.value) ? "md-box done" : "md-box"}>${chosen.includes(one.value) && html`<${Icon} name="check" size=${12} />`}</span>`}
            ${one.user && html`<${Avatar} id=${one.user.user_id} name=${one.label} size=${24} />`}${isObject(one.icon) && html`<${Icon2} icon=${one.icon} />`}
            <span>${one.label}</span>${!multiple && chosen.includes(one.value) && html`<${Icon} name="check" size=${14} />`}
          </div>`)}
          ${!shown.length && html`<div class="menu-empty">${t("Nothing found")}</div>`}
        </div>
      </div>`}
    </span>
  </${Labelled}>`;
}

const SelectStatic = ({ node, path }) => html`<${One} node=${node} path=${path} options=${optionsOf(node)} />`;
const MultiSelectStatic = ({ node, path }) => html`<${Several} node=${node} path=${path} options=${optionsOf(node)} />`;

function SelectPerson({ node, path }) {
  return html`<${One} node=${node} path=${path} options=${peopleOf(node, useCard(), useContext(ChatContext))} />`;
}

function MultiSelectPerson({ node, path }) {
  return html`<${Several} node=${node} path=${path} options=${peopleOf(node, useCard(), useContext(ChatContext))} />`;
}

const PER_ROW = { stretch: 1, bisect: 2, trisect: 3 };
const RATIOS = { "1:1": "1", "16:9": "16 / 9", "4:3": "4 / 3" };

function SelectImg({ node, path }) {
  const act = useAction(node, path);
  const multiple = node.multi_select === true;
  const { value, set, form, isMissing } = useValue(node, multiple ? [] : "");
  const chosen = multiple ? value : value ? [value] : [];
  const choose = async (option) => {
    const picked = asText(option.value);
    const next = multiple ? (value.includes(picked) ? value.filter((one) => one !== picked) : [...value, picked]) : picked;
    const before = value;
    set(next);
    if (!form && act.isCalling && !(await act.run({ options: next }))) set(before);
  };
  const style = { gridTemplateColumns: `repeat(${PER_ROW[node.layout] ?? 2}, 1fr)` };
  return html`<${Labelled} node=${node} missing=${isMissing}><div class="select-img" role="group" aria-label=${asText(node.name) || t("Pictures")} style=${style}>
    ${listOf(node.options).filter(isObject).map((option, n) => {
      const isChosen = chosen.includes(asText(option.value));
      const isOff = act.disabled || option.disabled === true;
      return html`<button key=${n} type="button" class=${isChosen ? "img-option chosen" : "img-option"} aria-pressed=${isChosen} data-value=${asText(option.value)} disabled=${isOff} title=${textOf(isOff ? option.disabled_tips : option.hover_tips) || undefined} onClick=${(event) => { event.stopPropagation(); choose(option); }}>
        <${Picture} imageKey=${option.img_key} alt=${asText(option.value)} className="option-image" preview=${false} style=${{ aspectRatio: RATIOS[node.aspect_ratio] ?? RATIOS["16:9"] }} />
        ${form && html`<span class=${`${multiple ? "md-box" : "md-box round"}${isChosen ? " done" : ""} option-mark`}>${isChosen && html`<${Icon} name="check" size=${12} />`}</span>`}
      </button>`;
    })}
  </div></${Labelled}>`;
}

register({
  select_static: SelectStatic,
  multi_select_static: MultiSelectStatic,
  select_person: SelectPerson,
  multi_select_person: MultiSelectPerson,
  select_img: SelectImg,
});
