// Tokens of links stand after the `#`, which browsers do not send to the server.

import { useEffect, useState } from "react";

/** Return the token of the page's address, and remove it from the address and the history. */
export function useLinkToken(): string {
  const [token, setToken] = useState(() => location.hash.slice(1));
  useEffect(() => {
    function takeToken() {
      if (location.hash !== "") {
        setToken(location.hash.slice(1));
        history.replaceState(null, "", location.pathname);
      }
    }
    takeToken();
    addEventListener("hashchange", takeToken); // another link opened in the same window
    return () => removeEventListener("hashchange", takeToken);
  }, []);
  return token;
}
