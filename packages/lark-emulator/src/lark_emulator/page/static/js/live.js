// What has happened, by Server-Sent Events; and data that is read again whenever something has.
import { useEffect, useRef, useState } from "../vendor/index.js";
import { get } from "./api.js";

const listeners = new Set();
let state = { connected: false, activity: -1, generation: -1, now: 0, heard: 0 };

function change(next) {
  state = { ...state, ...next };
  for (const listener of listeners) listener(state);
}

let source = null;

/** Connect, while the page can be seen: a browser has six connections for one server, shared by all its tabs. */
export function start() {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !source) connect();
    if (document.hidden && source) {
      source.close();
      source = null;
      change({ connected: false });
    }
  });
  if (!document.hidden) connect();
}

/** Connect once; the browser connects again by itself when the emulator is back. */
function connect() {
  source = new EventSource("/_page/live");
  source.onopen = () => change({ connected: true });
  source.onerror = () => {
    change({ connected: false });
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => source || document.hidden || connect(), 2000);
    }
  };
  source.onmessage = (event) => {
    const told = JSON.parse(event.data);
    change({ connected: true, heard: performance.now(), ...told });
  };
}

/** The newest state: `connected`, `activity`, `generation`, `now` (the emulator's clock when it was told). */
export function useLive() {
  const [seen, setSeen] = useState(state);
  useEffect(() => {
    listeners.add(setSeen);
    setSeen(state);
    return () => listeners.delete(setSeen);
  }, []);
  return seen;
}

const PAUSE = 250;

/** Read `path` now, when `params` change, and after whatever happens, at most four times a second. */
export function useData(path, params = {}, enabled = true) {
  const live = useLive();
  const [result, setResult] = useState({ data: null, error: "", key: "" });
  const key = path + JSON.stringify(params);
  const run = useRef({ key: "", last: 0, busy: false, again: false, timer: 0, gone: false });
  const refresh = useRef(() => {});
  refresh.current = async () => {
    const now = run.current;
    if (now.gone) return;
    if (now.busy) {
      now.again = true;
      return;
    }
    now.busy = true;
    now.again = false;
    now.last = performance.now();
    try {
      const data = await get(path, params);
      if (!now.gone && now.key === key) setResult({ data, error: "", key });
    } catch (error) {
      if (!now.gone && now.key === key) setResult((old) => ({ data: old.key === key ? old.data : null, error: error.message, key }));
    }
    now.busy = false;
    if (now.again || now.key !== key) later();
  };
  function later() {
    const now = run.current;
    if (now.timer || now.gone) return;
    const wait = Math.max(0, now.last + PAUSE - performance.now());
    now.timer = setTimeout(() => {
      now.timer = 0;
      refresh.current();
    }, wait);
  }
  useEffect(() => () => {
    run.current.gone = true;
    clearTimeout(run.current.timer);
  }, []);
  useEffect(() => {
    if (!enabled) return;
    if (run.current.key !== key) {
      run.current.key = key;
      refresh.current();
    } else later();
  }, [key, live.activity, live.generation, live.connected, enabled]);
  return { ...result, fresh: result.key === key, refresh: () => refresh.current() };
}
