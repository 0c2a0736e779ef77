// Upload: files and folders are dropped or chosen, and what becomes of each file is shown.

import { type RefObject, useRef, useState } from "react";
import { useKeys } from "../shell/keys.tsx";
import { usePage } from "../shell/use-page.ts";
import "../style/upload.css";
import { chosen, dropped, type Found } from "./found.ts";
import { Outcomes } from "./outcomes.tsx";
import { PatientFields } from "./patient-fields.tsx";
import type { Described } from "./send.ts";
import { useBatch } from "./use-batch.ts";
import { useDrop } from "./use-drop.ts";

export default function Upload() {
  usePage("Upload");
  const { items, add } = useBatch();
  const [said, setSaid] = useState("");
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const patient = useRef<HTMLFormElement>(null);

  /** Of a folder that is being walked, what is said of the patient is what was said at its drop. */
  async function take(coming: Found[] | Promise<Found[]>) {
    const given = [...new FormData(patient.current ?? undefined)].filter(([, value]) => value);
    const { site, ...described } = Object.fromEntries(given);
    setSaid("Looking through it"); // thousands of files take seconds
    const found = await coming;
    setSaid(found.length === 0 ? "There is no file in it." : "");
    void add(found, described as Described, String(site ?? "default"));
  }

  const over = useDrop((items) => void take(dropped(items)));
  useKeys("Upload", [
    { keys: ["u"], does: "choose files", action: () => files.current?.click() },
    { keys: ["f"], does: "choose a folder", action: () => folder.current?.click() },
  ]);

  return (
    <main id="main" tabIndex={-1} className="upload">
      <h1>Upload</h1>
      <PatientFields form={patient} />
      <div className={over ? "drop over" : "drop"}>
        <p>
          Drop radiographs or folders of them here: DICOM, JPEG, PNG or TIFF, as many as you like
        </p>
        <div className="choose">
          <button type="button" className="main" onClick={() => files.current?.click()}>
            Choose files <kbd>u</kbd>
          </button>
          <button type="button" onClick={() => folder.current?.click()}>
            Choose a folder <kbd>f</kbd>
          </button>
        </div>
        <Picker name="Files" picker={files} take={take} />
        <Picker name="Folder" picker={folder} take={take} whole />
        <p role="status">{said}</p>
      </div>
      <Outcomes items={items} />
    </main>
  );
}

interface PickerProps {
  name: string;
  picker: RefObject<HTMLInputElement | null>;
  take: (found: Found[]) => void;
  /** Whether folders are chosen, with all that is in them. */
  whole?: boolean;
}

function Picker({ name, picker, take, whole = false }: PickerProps) {
  return (
    <input
      ref={picker}
      type="file"
      multiple
      hidden
      aria-label={name}
      {...(whole && { webkitdirectory: "" })}
      onChange={(event) => {
        take(chosen(event.target.files));
        event.target.value = "";
      }}
    />
  );
}
