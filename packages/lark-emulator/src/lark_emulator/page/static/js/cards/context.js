// What the components of a card share: whose card it is, who looks at it, and how it is used.
import { createContext, useContext } from "../../vendor/index.js";
import { cardLocale } from "../i18n.js";

export const CardContext = createContext(null);
export const FormContext = createContext(null);

export const useCard = () => useContext(CardContext);
export const useForm = () => useContext(FormContext);

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export const listOf = (value) => (Array.isArray(value) ? value : []);
/** A text, whatever stands where one belongs. */
export const asText = (value) => (typeof value === "string" ? value : typeof value === "number" ? String(value) : "");

const PALETTE = new Set([
  "blue", "carmine", "green", "indigo", "lime", "orange", "purple", "red", "sunflower", "turquoise", "violet", "wathet",
  "yellow", "grey",
]);
const STEPS = new Set(["50", "100", "200", "300", "350", "400", "500", "600", "700", "800", "900"]);
const GREY_STEPS = new Set(["00", "650", "950", "1000"]);
const OWN_COLOUR = /^rgba?\(\s*\d{1,3}\s*(,\s*\d{1,3}\s*){2}(,\s*(0|1|0?\.\d+|\d{1,3}%)\s*)?\)$/;

/** A colour of the palette as CSS, or of the card's own ones; anything else is `fallback`. */
export function colour(name, card, fallback = "") {
  if (typeof name !== "string" || !name || name === "default") return fallback;
  if (name === "white" || name === "bg-white") return name === "white" ? "#ffffff" : "var(--bg-white)";
  const own = card?.colours?.[name];
  if (isObject(own)) {
    const dark = window.matchMedia?.("(prefers-color-scheme: dark)").matches;
    const value = dark ? own.dark_mode : own.light_mode;
    if (typeof value === "string" && OWN_COLOUR.test(value)) return value;
  }
  const [base, step = "600"] = name.split("-");
  if (!PALETTE.has(base)) return fallback;
  return STEPS.has(step) || (base === "grey" && GREY_STEPS.has(step)) ? `var(--${base}-${step})` : fallback;
}

/** The colour of a border: plain grey is the light line that clients draw, not the grey of texts. */
export const borderColour = (name, card) => (name === "grey" ? "var(--grey-300)" : colour(name, card, "var(--grey-300)"));

export const isPalette = (name) => PALETTE.has(name);

/** A member in the reader's language: `content` from `i18n_content`, if that has it. */
export function localized(node, member = "content") {
  if (!isObject(node)) return undefined;
  const all = isObject(node[`i18n_${member}`]) ? node[`i18n_${member}`] : member === "content" && isObject(node.i18n) ? node.i18n : null;
  if (all) {
    const locale = cardLocale();
    const found = all[locale] ?? (node[member] === undefined ? all.en_us ?? all.zh_cn ?? Object.values(all)[0] : undefined);
    if (found !== undefined) return found;
  }
  return node[member];
}

/** The text of a text object, or of a bare string. */
export const textOf = (value) => (typeof value === "string" ? value : asText(localized(value)));

const LENGTH = /^-?\d{1,4}(\.\d+)?(px)?$/;

/** One to four lengths in pixels as CSS; undefined if they are not. */
export function lengths(value, { negative = false } = {}) {
  if (typeof value !== "string") return undefined;
  const parts = value.trim().split(/\s+/);
  if (parts.length > 4 || !parts.every((part) => LENGTH.test(part))) return undefined;
  const bounded = parts.map((part) => Math.min(99, Math.max(negative ? -99 : 0, parseFloat(part))));
  return bounded.map((number) => `${number}px`).join(" ");
}

const SPACINGS = { small: 4, medium: 8, large: 12, extra_large: 16 };

/** A spacing as CSS: a name or pixels. */
export function spacing(value, fallback, card) {
  if (value === "large" && card?.version === "1.0") return "16px";
  if (typeof value === "string" && value in SPACINGS) return `${SPACINGS[value]}px`;
  return lengths(value) ?? fallback;
}

const SIZE = /^(\d{1,4})(px|%)$/;

/** A width or height: `fill`, `auto`, pixels or percent. */
export function extent(value) {
  if (value === "fill") return "100%";
  const found = typeof value === "string" && SIZE.exec(value);
  return found ? value : undefined;
}

const TEXT_SIZES = {
  "heading-0": 30, "heading-1": 24, "heading-2": 20, "heading-3": 18, "heading-4": 16, heading: 16, normal: 14, notation: 12,
  "xxxx-large": 30, "xxx-large": 24, "xx-large": 20, "x-large": 18, large: 16, medium: 14, small: 12, "x-small": 10,
};

/** The pixels of a text size; own names come from the card's configuration, unknown ones are normal. */
export function textSize(name, card) {
  const own = card?.sizes?.[name];
  if (isObject(own)) {
    const narrow = window.matchMedia?.("(max-width: 640px)").matches;
    return TEXT_SIZES[(narrow ? own.mobile : own.pc) ?? own.default] ?? TEXT_SIZES[own.default] ?? 14;
  }
  return Object.hasOwn(TEXT_SIZES, name) ? TEXT_SIZES[name] : 14;
}

/** An address that a click may open, else an empty string. */
export function safeUrl(value) {
  if (typeof value !== "string") return "";
  try {
    const url = new URL(value.trim());
    return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
}

/** The address for a computer among those of a link. */
export function linkOf(node) {
  if (typeof node === "string") return safeUrl(node);
  if (!isObject(node)) return "";
  return safeUrl(node.default_url) || safeUrl(node.url) || safeUrl(node.pc_url) || safeUrl(node.android_url) || safeUrl(node.ios_url);
}

/** The person behind an open_id, union_id or user_id as the card's app sees them; null if unknown. */
export function personOf(id, card) {
  const wanted = asText(id);
  if (!wanted) return null;
  return card?.users?.find((user) => user.user_id === wanted || user.union_id === wanted || user.open_ids?.[card.appId] === wanted || user.email === wanted) ?? null;
}

export const nameOf = (user) => user?.name || user?.en_name || user?.user_id || "";
