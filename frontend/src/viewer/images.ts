// The radiographs that are loaded: Cornerstone's images, and what the server says about them.

import { cache, imageLoader, type Types, utilities } from "@cornerstonejs/core";
import { api, unwrap } from "../api/client.ts";
import { type Display, parseGreyMap } from "./grey-map.ts";
import { type Preset, windowPresets } from "./window.ts";

export interface LoadedImage {
  display: Display;
  presets: Preset[];
}

const loaded = new Map<string, LoadedImage>();

function loadPixels(id: string): Promise<ArrayBuffer> {
  const params = { path: { image_id: id } };
  return unwrap(api.GET("/v1/images/{image_id}/pixels", { params, parseAs: "arrayBuffer" }));
}

/** Load all grey values of an image; return Cornerstone's identifier of it. */
export async function loadImage(id: string): Promise<string> {
  const imageId = `clinic:${id}`;
  if (cache.getImage(imageId) === undefined) {
    const map = parseGreyMap(await loadPixels(id));
    const { pixel } = map.display;
    utilities.genericMetadataProvider.add(imageId, {
      type: "generalSeriesModule",
      metadata: { modality: "DX" },
    });
    const image: Types.IImage = imageLoader.createAndCacheLocalImage(imageId, {
      scalarData: map.values,
      dimensions: [map.width, map.height],
      // The proportions of a pixel, and the millimetres of measurements.
      spacing: [pixel.width, pixel.height],
      // Measurements belong to one image alone.
      frameOfReferenceUID: imageId,
    });
    // Width and centre of DICOM's linear function (PS3.3, C.11.2.1.2), as Cornerstone expects them.
    image.windowWidth = map.high - map.low + 1;
    image.windowCenter = (map.low + map.high + 1) / 2;
    loaded.set(imageId, { display: map.display, presets: windowPresets(map) });
  }
  return imageId;
}

/** Return what is known about an image that a viewport shows. */
export function loadedImage(imageId: string | undefined): LoadedImage | undefined {
  return loaded.get(imageId ?? "");
}

/** Forget all grey values, so that no patient stays in memory after the study is closed. */
export function forgetImages(): void {
  cache.purgeCache();
  loaded.clear();
}
