// Using a component: whether it calls back, and what is sent. The emulator decides by the same rules.
import { isObject, linkOf, listOf, textOf, useCard, useForm } from "./context.js";

const ANSWERS = new Set([
  "select_static", "select_person", "overflow", "date_picker", "picker_time", "picker_datetime", "multi_select_static",
  "multi_select_person", "select_img", "input", "checker",
]);

export const submits = (node) => node.form_action_type === "submit" || node.action_type === "form_submit";
export const resets = (node) => node.form_action_type === "reset" || node.action_type === "form_reset";

/** Whether using a component tells the app; inside a form only what submits it does, unless it has behaviors. */
export function callsBack(node, inForm, version) {
  if (submits(node)) return true;
  if (resets(node)) return false;
  if (node.behaviors !== undefined) return listOf(node.behaviors).some((one) => isObject(one) && one.type === "callback");
  if (inForm && ANSWERS.has(node.tag)) return false;
  if (version === "2.0") return node.tag !== "checker" && node.tag !== "interactive_container" && !node.url;
  return ANSWERS.has(node.tag) || node.value !== undefined;
}

/** The address that using a component opens, or an empty string. */
export function opens(node) {
  const behavior = listOf(node.behaviors).find((one) => isObject(one) && one.type === "open_url");
  return linkOf(behavior) || linkOf(node.multi_url) || linkOf(node.url);
}

/** How a component is used: `run(said)` opens its link, asks to confirm, and calls back. */
export function useAction(node, path) {
  const card = useCard();
  const form = useForm();
  const disabled = node.disabled === true;
  const tip = disabled ? textOf(node.disabled_tips) : textOf(node.hover_tips);
  const isCalling = callsBack(node, form !== null, card.version);
  const busy = card.busy.includes(path);
  const run = async (said, zoned = false) => {
    if (disabled || busy) return false;
    const url = opens(node);
    if (url) window.open(url, "_blank", "noopener,noreferrer");
    if (!isCalling) return true;
    if (url && card.version === "1.0" && node.behaviors === undefined && node.complex_interaction !== true) return true;
    return card.use(path, { said, zoned }, node.confirm);
  };
  return { run, disabled, tip: tip || undefined, busy, isCalling };
}
