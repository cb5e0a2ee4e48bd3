// What the views share: the overview of the tenant, and who looks at it.
import { createContext, useContext } from "../../vendor/index.js";

export const AppContext = createContext(null);
export const ChatContext = createContext(null);
export const useApp = () => useContext(AppContext);

/** The part of the address behind `#`, as a list: view, then ids. */
export function parseRoute() {
  return location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
}

export const hrefOf = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
export const go = (...parts) => {
  location.hash = hrefOf(...parts);
};
