// What was chosen or dropped, folders walked whole: each file with the folders on the way to it.

export type Found = { path: string; file: File } | { path: string; refused: string };

const byPath = new Intl.Collator("en", { numeric: true }).compare;

export function chosen(list: FileList | null): Found[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** A browser says what was dropped during the event alone: all of it is asked for before waiting. */
export async function dropped(items: Iterable<DataTransferItem>): Promise<Found[]> {
  const begun = [...items]
    .filter((one) => one.kind === "file")
    .map((one) => one.webkitGetAsEntry() ?? one.getAsFile());
  const found: Found[] = [];
  for (const one of begun) {
    if (one instanceof File) {
      found.push({ path: one.name, file: one });
    } else if (one !== null) {
      found.push(...(await within(one)));
    }
  }
  return found.sort((a, b) => byPath(a.path, b.path));
}

async function within(entry: FileSystemEntry): Promise<Found[]> {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      return [{ path, file: await fileOf(entry as FileSystemFileEntry) }];
    }
    const found: Found[] = [];
    for (const one of await entriesOf(entry as FileSystemDirectoryEntry)) {
      found.push(...(await within(one)));
    }
    return found;
  } catch (problem) {
    const why = (problem as Error).message;
    return [{ path, refused: `this browser cannot read it (${why}); copy it elsewhere first` }];
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((take, fail) => entry.file(take, fail));
}

/** A reader gives a hundred or so at a time, and none when it has given all. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((take, fail) =>
      reader.readEntries(take, fail),
    );
    if (some.length === 0) {
      return all;
    }
    all.push(...some);
  }
}
