// What the page uses of its vendored libraries: one place to import from.
import { h, render, Fragment, createContext } from "./preact.module.js";
import htm from "./htm.module.js";

export const html = htm.bind(h);
export { render, Fragment, createContext };
export {
  useCallback, useContext, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "./hooks.module.js";
