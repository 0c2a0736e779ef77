// Addresses of the page, which name studies by identifiers that tell nothing.

import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from "react";

const WENT = "pneumoscope:went";

function listen(changed: () => void): () => void {
  addEventListener("popstate", changed);
  addEventListener(WENT, changed);
  return () => {
    removeEventListener("popstate", changed);
    removeEventListener(WENT, changed);
  };
}

export function usePath(): string {
  return useSyncExternalStore(listen, () => location.pathname);
}

export function go(path: string): void {
  history.pushState(null, "", path);
  scrollTo(0, 0);
  dispatchEvent(new Event(WENT));
}

type LinkProps = AnchorHTMLAttributes<HTMLAnchorElement> & { href: string };

export function Link({ href, onClick, ...rest }: LinkProps) {
  function follow(event: MouseEvent<HTMLAnchorElement>) {
    onClick?.(event);
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (plain && !event.defaultPrevented) {
      event.preventDefault();
      go(href);
    }
  }
  return <a {...rest} href={href} onClick={follow} />;
}
