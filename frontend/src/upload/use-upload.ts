// The upload: files are sent in several requests, then followed until all of them are read.

import { useCallback, useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { Image, ImagePage, RequestMetadata } from "../api/schema.d.ts";
import type { CollectedFile } from "./collect-files.ts";
import { sendFiles } from "./send-files.ts";
import { outcomesOf, sentShares, splitFiles } from "./split-files.ts";

/** A file on the page, with its outcome as soon as there is one. */
export interface Item {
  key: string;
  path: string;
  size: number;
  sentShare: number;
  refused?: string;
  image?: Image;
  /** Whether the image was here before, and nothing new was stored. */
  alreadyHere?: boolean;
}

interface SendableItem extends Item {
  file: File;
}

/** Changes of items, by their keys. */
type Changes = Map<string, Partial<Item>>;

const POLL_INTERVAL_MS = 1_000;
const MAX_POLLED_JOBS = 5; // the oldest, since jobs are read in their order

async function listJobImages(job: string): Promise<Image[]> {
  const images: Image[] = [];
  for (let after: string | null = ""; after !== null; ) {
    const params = { path: { job_id: job }, query: { limit: 200, after } };
    const page: ImagePage = await unwrap(api.GET("/v1/jobs/{job_id}/images", { params }));
    images.push(...page.images);
    after = page.next;
  }
  return images;
}

/** Send items in one request and report progress and outcomes; return the job, if there is one. */
async function sendItems(
  items: SendableItem[],
  metadata: RequestMetadata,
  site: string,
  change: (changes: Changes) => void,
): Promise<string | null> {
  const report = (changes: Partial<Item>[]) =>
    change(new Map(items.map(({ key }, index) => [key, changes[index] ?? {}])));
  const sizes = items.map(({ size }) => size);
  try {
    const answer = await sendFiles({
      files: items.map(({ file }) => file),
      metadata,
      site,
      idempotencyKey: items[0]?.key ?? "",
      onProgress: (share) => report(sentShares(sizes, share).map((sentShare) => ({ sentShare }))),
    });
    report(outcomesOf(items.length, answer));
    return answer.job;
  } catch (problem) {
    report(items.map(() => ({ refused: (problem as Error).message })));
    return null;
  }
}

/** Return the items of the page, and a function that uploads more files. */
export function useUpload() {
  const [items, setItems] = useState<Item[]>([]);
  const unfinishedJobs = useRef(new Set<string>());

  const change = useCallback((changes: Changes) => {
    setItems((items) =>
      items.map((item) => (changes.has(item.key) ? { ...item, ...changes.get(item.key) } : item)),
    );
  }, []);

  const add = useCallback(
    async (files: CollectedFile[], metadata: RequestMetadata, site: string) => {
      const batch = crypto.randomUUID();
      const added = files.map((file, index) => ({
        ...file,
        key: `${batch}-${index}`,
        size: "file" in file ? file.file.size : 0,
        sentShare: 0,
      }));
      setItems((items) => [...added, ...items]);
      for (const request of splitFiles(added.filter((item) => "file" in item))) {
        const job = await sendItems(request, metadata, site, change);
        if (job !== null) {
          unfinishedJobs.current.add(job);
        }
      }
    },
    [change],
  );

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let ended = false;
    // One request at a time, however many jobs there are.
    async function poll() {
      for (const job of [...unfinishedJobs.current].slice(0, MAX_POLLED_JOBS)) {
        const images = ended ? [] : await listJobImages(job).catch(() => []);
        const imageOfId = new Map(images.map((image) => [image.id, image]));
        setItems((items) => items.map((item) => withNewImage(item, imageOfId)));
        if (images.length > 0 && images.every(({ state }) => state === "done")) {
          unfinishedJobs.current.delete(job);
        }
      }
      if (!ended) {
        timer = setTimeout(poll, POLL_INTERVAL_MS);
      }
    }
    void poll();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, []);

  return { items, add };
}

function withNewImage(item: Item, imageOfId: Map<string, Image>): Item {
  const image = item.image && imageOfId.get(item.image.id);
  return image ? { ...item, image } : item;
}
