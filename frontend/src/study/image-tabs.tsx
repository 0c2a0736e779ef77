import { useEffect, useRef } from "react";
import type { Image } from "../api/types.ts";

interface Props {
  images: Image[];
  at: number;
  choose: (at: number) => void;
}

/** The images of a study, where it has several. */
export function ImageTabs({ images, at, choose }: Props) {
  const chosen = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    chosen.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [at]);
  if (images.length < 2) {
    return null;
  }
  return (
    <nav className="images" aria-label="Images of the study">
      {images.map((image, place) => (
        <button
          key={image.id}
          ref={place === at ? chosen : null}
          type="button"
          aria-pressed={place === at}
          onClick={() => choose(place)}
        >
          {place + 1} {[image.reading?.view, image.reading?.laterality].filter(Boolean).join(" ")}
          <small>{image.name}</small>
        </button>
      ))}
    </nav>
  );
}
