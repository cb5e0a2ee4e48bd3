// English and Chinese. A text is looked up by its English form; what is missing is shown in English.
import { ZH } from "./zh.js";

const KEPT = "lark-page-language";

function chosen() {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept === "en" || kept === "zh") return kept;
  } catch {
    // Storage may be off; then the browser's language decides every time.
  }
  return (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
}

let language = chosen();

export const currentLanguage = () => language;

/** The locale that cards are shown in. */
export const cardLocale = () => (language === "zh" ? "zh_cn" : "en_us");
export const intlLocale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** Tell the browser which language the page is in. */
export function tellLanguage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

/** Change the language, and keep it for the next time. */
export function setLanguage(wanted) {
  language = wanted === "zh" ? "zh" : "en";
  tellLanguage();
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // Storage may be off.
  }
}

/** Say something; `{name}` in it is replaced. */
export function t(text, values) {
  let said = (language === "zh" && ZH[text]) || text;
  if (values) for (const [name, value] of Object.entries(values)) said = said.replaceAll(`{${name}}`, String(value));
  return said;
}

const formats = new Map();

function format(options) {
  const key = language + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(intlLocale(), options));
  return formats.get(key);
}

/** A time of today as hours and minutes, else with its date. */
export function shortTime(ms) {
  if (!Number.isFinite(Number(ms))) return "";
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return "";
  const today = new Date().toDateString() === date.toDateString();
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return format(today ? time : { ...time, day: "numeric", month: "short" }).format(date);
}

export function longTime(ms) {
  const date = new Date(Number(ms));
  if (Number.isNaN(date.getTime())) return String(ms);
  const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return format(options).format(date);
}

export const count = (number) => new Intl.NumberFormat(intlLocale()).format(number);
