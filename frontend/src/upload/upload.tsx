// Upload: files are dropped or chosen, and what becomes of each is shown.

import { type DragEvent, useRef, useState } from "react";
import { useKeys } from "../shell/keys.tsx";
import { go } from "../shell/router.tsx";
import "../style/upload.css";
import { Outcomes } from "./outcomes.tsx";
import type { Described } from "./send.ts";
import { useBatch } from "./use-batch.ts";

export default function Upload() {
  const { items, add } = useBatch();
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const details = useRef<HTMLFormElement>(null);

  function take(list: FileList | null) {
    const files = [...(list ?? [])];
    if (files.length > 0) {
      const given = new FormData(details.current ?? undefined);
      const { site, ...described } = Object.fromEntries(
        [...given].filter(([, value]) => value !== ""),
      );
      void add(files, described as Described, String(site ?? "default"));
    }
  }

  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  }

  useKeys([
    { keys: ["u"], does: "choose files", action: () => picker.current?.click() },
    { keys: ["w"], does: "worklist", action: () => go("/") },
  ]);

  return (
    <main id="main" className="upload">
      <h1>Upload</h1>
      <form ref={details} onSubmit={(event) => event.preventDefault()}>
        <details>
          <summary>Patient, for files that do not say whose they are (JPEG, PNG)</summary>
          <div className="fields">
            <label>
              Patient identifier <input name="patient_id" maxLength={64} autoComplete="off" />
            </label>
            <label>
              Patient name <input name="patient_name" maxLength={255} autoComplete="off" />
            </label>
            <label>
              Birth date <input name="birth_date" type="date" />
            </label>
            <label>
              Sex <input name="sex" maxLength={16} autoComplete="off" />
            </label>
            <label>
              Accession number <input name="accession" maxLength={64} autoComplete="off" />
            </label>
            <label>
              Site <input name="site" maxLength={100} defaultValue="default" autoComplete="off" />
            </label>
          </div>
        </details>
      </form>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the button within does the same */}
      <div
        className={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <p>Drop radiographs here: DICOM, JPEG or PNG, as many as you like</p>
        <button type="button" className="main" onClick={() => picker.current?.click()}>
          Choose files
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          aria-label="Files"
          onChange={(event) => {
            take(event.target.files);
            event.target.value = "";
          }}
        />
      </div>
      <Outcomes items={items} />
    </main>
  );
}
