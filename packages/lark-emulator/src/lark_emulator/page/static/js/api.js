// Requests to the control plane of the emulator that serves this page.

const BASE = "/_emulator/";

/** What the control plane refused; `message` is its sentence. */
export class RefusedError extends Error {}

async function send(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(BASE + path, options);
  const text = await answer.text();
  let data = {};
  try {
    data = text ? JSON.parse(text) : {};
  } catch {
    throw new RefusedError(text.slice(0, 300));
  }
  if (!answer.ok) throw new RefusedError(data.error || data.msg || `HTTP ${answer.status}`);
  return data;
}

/** Read: parameters that are empty are left out. */
export function get(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return send("GET", text ? `${path}?${text}` : path);
}

export const post = (path, body = {}) => send("POST", path, body);
export const remove = (path) => send("DELETE", path);

/** The address of an upload, if the key is one that could be. */
export function uploadUrl(key) {
  return typeof key === "string" && key ? `/_page/uploads/${encodeURIComponent(key)}` : "";
}
