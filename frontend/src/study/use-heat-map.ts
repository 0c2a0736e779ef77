import { useEffect, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Highlights, Image } from "../api/schema.d.ts";
import { decodeHeatMap } from "../viewer/heat-map.ts";

export interface HeatMap {
  bitmap: ImageBitmap | null;
  /** Null until the heat map is loaded. */
  highlights: Highlights | null;
  error: string;
}

const NONE: HeatMap = { bitmap: null, highlights: null, error: "" };

async function loadHeatMap(id: string): Promise<HeatMap & { image: string }> {
  const params = { path: { image_id: id } };
  const highlights = await unwrap(api.GET("/v1/images/{image_id}/highlights", { params }));
  return { bitmap: await decodeHeatMap(highlights), highlights, error: "", image: id };
}

/** Load the heat map of an image once it is to be shown. */
export function useHeatMap(image: Image | undefined, shown: boolean): HeatMap {
  const [heatMap, setHeatMap] = useState<HeatMap & { image?: string }>(NONE);
  const id = image?.reading?.has_heatmap ? image.id : undefined;

  useEffect(() => {
    if (id === undefined || !shown) {
      return;
    }
    let outdated = false;
    loadHeatMap(id)
      .then((loaded) => !outdated && setHeatMap(loaded))
      .catch(
        (problem: Error) => !outdated && setHeatMap({ ...NONE, error: problem.message, image: id }),
      );
    return () => {
      outdated = true;
    };
  }, [id, shown]);

  return shown && heatMap.image === id ? heatMap : NONE;
}
