// A form of a card: the values of its fields, what is missing, and submitting.
import { html, useRef, useState } from "../../vendor/index.js";
import { t } from "../i18n.js";
import { toast } from "../ui.js";
import { FormContext, asText, isObject, listOf, useCard } from "./context.js";

const FIELDS = new Set([
  "input", "select_static", "multi_select_static", "select_person", "multi_select_person", "date_picker", "picker_time",
  "picker_datetime", "select_img", "checker",
]);

/** All fields of a form, wherever they stand in it. */
function fieldsOf(node, found = []) {
  if (Array.isArray(node)) node.forEach((one) => fieldsOf(one, found));
  else if (isObject(node)) {
    if (FIELDS.has(node.tag) && node.name) found.push(node);
    Object.values(node).forEach((one) => typeof one === "object" && fieldsOf(one, found));
  }
  return found;
}

const isEmpty = (value) => value === undefined || value === null || value === "" || (Array.isArray(value) && !value.length);

export function Form({ node, children }) {
  const card = useCard();
  const values = useRef(new Map());
  const [missing, setMissing] = useState([]);
  const [round, setRound] = useState(0);
  const form = {
    name: asText(node.name),
    round,
    missing,
    set: (name, value) => {
      if (name) values.current.set(name, value);
      if (missing.includes(name) && !isEmpty(value)) setMissing(missing.filter((one) => one !== name));
    },
    get: (name) => values.current.get(name),
    reset: () => {
      values.current.clear();
      setMissing([]);
      setRound(round + 1);
    },
    submit: async (path, confirm) => {
      const fields = fieldsOf(listOf(node.elements));
      const lacking = fields.filter((field) => field.required === true && isEmpty(values.current.get(field.name))).map((field) => field.name);
      setMissing(lacking);
      if (lacking.length) {
        toast(t("Required fields are empty"), "warning");
        return false;
      }
      const said = {};
      for (const field of fields) {
        const value = values.current.get(field.name);
        if (field.tag === "checker") said[field.name] = value === true;
        else if (field.tag === "input") said[field.name] = value ?? "";
        else if (!isEmpty(value)) said[field.name] = value;
      }
      return card.use(path, { said: { form_value: said }, zoned: true }, confirm);
    },
  };
  return html`<${FormContext.Provider} value=${form}>${children}</${FormContext.Provider}>`;
}
