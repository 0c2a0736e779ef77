// Collecting the files that were chosen or dropped; folders are walked, and paths are kept.

export type CollectedFile = { path: string; file: File } | { path: string; refused: string };

const comparePaths = new Intl.Collator("en", { numeric: true }).compare;

/** Return whether a file's name says that it is a picture, which names no patient itself. */
export function isPicture(path: string): boolean {
  return /\.(jpe?g|png|tiff?)$/i.test(path);
}

/** Return the files of an input element. */
export function chosenFiles(list: FileList | null): CollectedFile[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** Return the dropped files, with all files in dropped folders. */
export async function droppedFiles(items: Iterable<DataTransferItem>): Promise<CollectedFile[]> {
  // Browsers answer only during the event: all entries are read before anything is awaited.
  const entries = [...items]
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const files: CollectedFile[] = [];
  for (const entry of entries) {
    if (entry instanceof File) {
      files.push({ path: entry.name, file: entry });
    } else if (entry !== null) {
      files.push(...(await filesIn(entry)));
    }
  }
  return files.sort((first, second) => comparePaths(first.path, second.path));
}

/** Return the file of an entry, or all files in it if it is a folder. */
async function filesIn(entry: FileSystemEntry): Promise<CollectedFile[]> {
  const path = entry.fullPath.replace(/^\//, "");
  try {
    if (entry.isFile) {
      return [{ path, file: await fileOf(entry as FileSystemFileEntry) }];
    }
    const files: CollectedFile[] = [];
    for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) {
      files.push(...(await filesIn(child)));
    }
    return files;
  } catch (problem) {
    const reason = (problem as Error).message;
    return [{ path, refused: `the browser cannot read it (${reason}); copy it elsewhere first` }];
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** Return all entries of a folder; a reader returns about a hundred at a time, and none at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const children: FileSystemEntry[] = [];
  for (;;) {
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (batch.length === 0) {
      return children;
    }
    children.push(...batch);
  }
}
