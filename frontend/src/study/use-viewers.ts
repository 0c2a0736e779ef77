// The one or two viewers of a study: which of them the tools are for, and whether both move together.

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";
import { linkViews, setUsedViewport } from "../viewer/cornerstone.ts";
import type { Act, ViewerName, ViewState } from "../viewer/viewer.tsx";

export interface Viewers {
  current: RefObject<Act | null>;
  prior: RefObject<Act | null>;
  /** The viewer that the tools are for. */
  used: ViewerName;
  use: (name: ViewerName) => void;
  useOther: () => void;
  /** State of that viewer. */
  view: ViewState | undefined;
  changed: (name: ViewerName, state: ViewState) => void;
  shown: (name: ViewerName, image: string) => void;
  /** Identifier of the image that a viewer shows. */
  images: Partial<Record<ViewerName, string>>;
  act: Act;
  actOnAll: Act;
  isLinked: boolean;
  toggleLink: () => void;
}

export function useViewers(hasTwo: boolean): Viewers {
  const current = useRef<Act>(null);
  const prior = useRef<Act>(null);
  const [chosen, setChosen] = useState<ViewerName>("current");
  const [states, setStates] = useState<Partial<Record<ViewerName, ViewState>>>({});
  const [images, setImages] = useState<Partial<Record<ViewerName, string>>>({});
  const [isLinked, setIsLinked] = useState(true);
  const used = hasTwo ? chosen : "current";

  useEffect(() => setUsedViewport(used), [used]);
  useEffect(() => {
    if (!hasTwo) {
      setImages(({ prior, ...others }) => others);
    }
  }, [hasTwo]);
  // Linked once both are shown, and again after either shows another image.
  const both = hasTwo && images.current && images.prior ? Object.values(images).join() : null;
  useEffect(
    () => (both !== null && isLinked ? linkViews("current", "prior") : undefined),
    [both, isLinked],
  );

  const changed = useCallback(
    (name: ViewerName, state: ViewState) => setStates((all) => ({ ...all, [name]: state })),
    [],
  );
  const shown = useCallback(
    (name: ViewerName, image: string) => setImages((all) => ({ ...all, [name]: image })),
    [],
  );
  return {
    current,
    prior,
    used,
    use: setChosen,
    useOther: () => setChosen(used === "current" ? "prior" : "current"),
    view: states[used],
    changed,
    shown,
    images,
    act: (action) => (used === "prior" ? prior : current).current?.(action),
    actOnAll: (action) => {
      current.current?.(action);
      prior.current?.(action);
    },
    isLinked,
    toggleLink: () => setIsLinked((on) => !on),
  };
}
