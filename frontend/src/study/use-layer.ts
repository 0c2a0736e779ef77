import { useEffect, useState } from "react";
import * as clinic from "../api/clinic.ts";
import type { Highlights, Image } from "../api/types.ts";
import { pictureOf } from "../viewer/layer.ts";

export interface Layer {
  picture: ImageBitmap | null;
  scale: Highlights | null;
}

const NONE: Layer = { picture: null, scale: null };

/** The heat map of an image, once it is wanted. */
export function useLayer(image: Image | undefined, wanted: boolean): Layer {
  const [layer, setLayer] = useState<Layer & { of?: string }>(NONE);
  const id = image?.reading?.has_heatmap ? image.id : undefined;

  useEffect(() => {
    if (id === undefined || !wanted) {
      return;
    }
    let late = false;
    clinic
      .highlights(id)
      .then(async (scale) => ({ picture: await pictureOf(scale), scale, of: id }))
      .then((found) => !late && setLayer(found))
      .catch(() => !late && setLayer(NONE));
    return () => {
      late = true;
    };
  }, [id, wanted]);

  return wanted && layer.of === id ? layer : NONE;
}
