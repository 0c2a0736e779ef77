import { useEffect, useRef } from "react";
import type { Image } from "../api/schema.d.ts";

interface Props {
  images: Image[];
  /** Index of the image that is shown. */
  index: number;
  choose: (index: number) => void;
}

/** The images of a study that has several. */
export function ImageTabs({ images, index, choose }: Props) {
  const chosen = useRef<HTMLButtonElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever another image is chosen
  useEffect(() => {
    chosen.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [index]);
  if (images.length < 2) {
    return null;
  }
  return (
    <nav className="images" aria-label="Images of the study">
      {images.map((image, place) => (
        <button
          key={image.id}
          ref={place === index ? chosen : null}
          type="button"
          aria-pressed={place === index}
          onClick={() => choose(place)}
        >
          {place + 1} {[image.reading?.view, image.reading?.laterality].filter(Boolean).join(" ")}
          <small>{image.name}</small>
        </button>
      ))}
    </nav>
  );
}
