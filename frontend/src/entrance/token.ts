// The token of a link stands after its `#`, which browsers send to no server.

import { useEffect, useState } from "react";

/** The token that the page was opened with; it leaves the address, and so the history. */
export function useToken(): string {
  const [token, setToken] = useState(() => location.hash.slice(1));
  useEffect(() => {
    function take() {
      if (location.hash !== "") {
        setToken(location.hash.slice(1));
        history.replaceState(null, "", location.pathname);
      }
    }
    take();
    addEventListener("hashchange", take); // a further link in the same window
    return () => removeEventListener("hashchange", take);
  }, []);
  return token;
}
