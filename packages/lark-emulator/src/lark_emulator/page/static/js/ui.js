// Small pieces that all views share: icons, avatars, toasts, dialogs.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../vendor/index.js";
import { t } from "./i18n.js";

const PATHS = {
  chats: "M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-8l-5 4v-4H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z",
  bases: "M4 4h16v16H4zM4 10h16M10 4v16",
  sheets: "M5 3h10l4 4v14H5zM8 11h8M8 15h8M12 11v7",
  approvals: "M6 3h12v18H6zM9 8h6M9 14l2 2 4-4",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c0-4 3-6 6.500-6s6.500 2 6.500 6M16 4.500a3 3 0 0 1 0 6M18 14.500c2 .8 3.500 2.500 3.500 5.500",
  requests: "M4 6h16M4 12h16M4 18h10",
  faults: "M12 3l9.500 17h-19zM12 9v5M12 17v.5",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  more: "M5 12h1M11.500 12h1M18 12h1",
  send: "M4 12l16-8-6 16-3-6z",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  play: "M8 5l11 7-11 7z",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  check: "M5 12l5 5 9-10",
  robot: "M7 8h10a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2zM12 8V5M9.500 13v.5M14.500 13v.5",
  thread: "M5 5h14M5 10h9M9 15h10M9 19h6",
  eye: "M3 12s3.500-6 9-6 9 6 9 6-3.500 6-9 6-9-6-9-6zM12 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
};

export function Icon({ name, size = 20 }) {
  const path = PATHS[name] || PATHS.file;
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d=${path} /></svg>`;
}

const TONES = ["blue", "turquoise", "orange", "violet", "green", "carmine", "indigo", "wathet", "purple"];

function tone(id) {
  let sum = 0;
  for (const letter of String(id)) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return TONES[sum % TONES.length];
}

/** A round picture made of a name. */
export function Avatar({ id, name, size = 36, bot = false }) {
  const text = String(name || id || "?").trim();
  const latin = /^[\x20-\x7e]+$/.test(text);
  const shown = latin ? text.split(/\s+/).map((word) => word[0]).slice(0, 2).join("").toUpperCase() : [...text].slice(-2).join("");
  const style = { width: `${size}px`, height: `${size}px`, fontSize: `${Math.round(size * (latin ? 0.4 : 0.34))}px`, background: `var(--${tone(id || text)}-500)` };
  return html`<span class="avatar" style=${style} aria-hidden="true">${bot ? html`<${Icon} name="robot" size=${Math.round(size * 0.62)} />` : shown}</span>`;
}

// Toasts ----------------------------------------------------------------------------------------------------

let showToast = () => {};

/** Show a line at the top: `kind` is info, success, error or warning. */
export const toast = (text, kind = "info") => showToast(String(text), kind);

export function Toasts() {
  const [shown, setShown] = useState([]);
  const next = useRef(0);
  showToast = (text, kind) => {
    const id = (next.current += 1);
    setShown((old) => [...old.slice(-3), { id, text, kind }]);
    setTimeout(() => setShown((old) => old.filter((one) => one.id !== id)), kind === "error" ? 9000 : 5000);
  };
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((one) => html`<div key=${one.id} class=${`toast toast-${one.kind}`}>${one.text}</div>`)}
  </div>`;
}

// Dialogs ---------------------------------------------------------------------------------------------------

let openDialog = () => {};

/** Ask; the promise says whether it was confirmed. */
export const ask = (title, text, danger = false) => new Promise((done) => openDialog({ title, text, danger, done }));
/** Show a picture large. */
export const enlarge = (src, alt) => openDialog({ src, alt, done: () => {} });

export function Dialogs() {
  const [dialog, setDialog] = useState(null);
  const button = useRef(null);
  const before = useRef(null);
  openDialog = (wanted) => {
    before.current = document.activeElement;
    setDialog(wanted);
  };
  const close = (answer) => {
    dialog.done(answer);
    setDialog(null);
    before.current?.focus?.();
  };
  useLayoutEffect(() => button.current?.focus(), [dialog]);
  if (!dialog) return null;
  const keys = (event) => {
    if (event.key === "Escape") close(false);
    if (event.key === "Tab") {
      const all = [...event.currentTarget.querySelectorAll("button")];
      const at = all.indexOf(document.activeElement);
      event.preventDefault();
      all[(at + (event.shiftKey ? all.length - 1 : 1)) % all.length]?.focus();
    }
  };
  return html`<div class="dialog-ground" onClick=${(event) => event.target === event.currentTarget && close(false)} onKeyDown=${keys}>
    <div class=${dialog.src ? "dialog dialog-picture" : "dialog"} role="dialog" aria-modal="true" aria-label=${dialog.title || dialog.alt || t("Picture")}>
      ${dialog.src
        ? html`<img src=${dialog.src} alt=${dialog.alt || ""} />`
        : html`<h2>${dialog.title}</h2><p class="dialog-text">${dialog.text}</p>`}
      <div class="dialog-buttons">
        ${!dialog.src && html`<button type="button" class="plain-button" onClick=${() => close(false)}>${t("Cancel")}</button>`}
        <button type="button" ref=${button} class=${dialog.danger ? "plain-button danger" : "plain-button primary"} onClick=${() => close(true)}>
          ${dialog.src ? t("Close") : t("Confirm")}
        </button>
      </div>
    </div>
  </div>`;
}

/** Close something by a click elsewhere or by Escape. */
export function useDismiss(isOpen, close) {
  const place = useRef(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const outside = (event) => place.current && !place.current.contains(event.target) && close();
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [isOpen]);
  return place;
}

export const Empty = ({ children }) => html`<div class="empty">${children}</div>`;
export const Failed = ({ error }) => (error ? html`<div class="failed" role="alert">${error}</div>` : null);
