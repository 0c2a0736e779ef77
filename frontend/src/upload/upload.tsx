// The upload page: files and folders are chosen or dropped, and the outcome of each file is shown.

import { type RefObject, useRef, useState } from "react";
import type { RequestMetadata } from "../api/schema.d.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import "../style/upload.css";
import { type CollectedFile, chosenFiles, droppedFiles } from "./collect-files.ts";
import { Outcomes } from "./outcomes.tsx";
import { PatientFields } from "./patient-fields.tsx";
import { useFileDrop } from "./use-file-drop.ts";
import { useUpload } from "./use-upload.ts";

export default function Upload() {
  usePageTitle("Upload");
  const { items, add } = useUpload();
  const [status, setStatus] = useState("");
  const filePicker = useRef<HTMLInputElement>(null);
  const folderPicker = useRef<HTMLInputElement>(null);
  const patientForm = useRef<HTMLFormElement>(null);

  /** Upload files with the patient that the form names now, even if collecting them takes longer. */
  async function upload(collecting: CollectedFile[] | Promise<CollectedFile[]>) {
    if (patientForm.current?.reportValidity() === false) {
      setStatus("Nothing was uploaded: correct the patient's fields first.");
      return;
    }
    const content = new FormData(patientForm.current ?? undefined);
    const filledIn = [...content].filter(([, value]) => value);
    const { site, age, ...named } = Object.fromEntries(filledIn);
    const metadata = { ...named, ...(age && { age: Number(age) }) } as RequestMetadata;
    setStatus("Collecting files"); // a folder of thousands takes seconds
    const files = await collecting;
    setStatus(files.length === 0 ? "No files found." : "");
    if (files.length > 0) {
      clearFields(patientForm.current);
    }
    void add(files, metadata, String(site ?? "default"));
  }

  const isDraggedOver = useFileDrop((items) => void upload(droppedFiles(items)));
  const chooseFiles = () => filePicker.current?.click();
  const chooseFolder = () => folderPicker.current?.click();
  useKeys("Upload", [
    { keys: ["u"], description: "choose files", action: chooseFiles },
    { keys: ["f"], description: "choose a folder", action: chooseFolder },
  ]);

  return (
    <main id="main" tabIndex={-1} className="upload">
      <h1>Upload</h1>
      <PatientFields form={patientForm} />
      <div className={isDraggedOver ? "drop dragged-over" : "drop"}>
        <p>Drop radiographs or whole folders here: DICOM, JPEG, PNG or TIFF, in any number</p>
        <div className="choose">
          <button type="button" className="main" onClick={chooseFiles}>
            Choose files <kbd>u</kbd>
          </button>
          <button type="button" onClick={chooseFolder}>
            Choose a folder <kbd>f</kbd>
          </button>
        </div>
        <Picker label="Files" input={filePicker} upload={upload} />
        <Picker label="Folder" input={folderPicker} upload={upload} folders />
        <p role="status">{status}</p>
      </div>
      <Outcomes items={items} />
    </main>
  );
}

/** Clear the patient's fields: the next files may be another patient's. The site stays. */
function clearFields(form: HTMLFormElement | null) {
  for (const field of form?.querySelectorAll("input") ?? []) {
    field.value = "";
  }
}

interface PickerProps {
  label: string;
  input: RefObject<HTMLInputElement | null>;
  upload: (files: CollectedFile[]) => void;
  /** Whether folders are chosen, with all files in them. */
  folders?: boolean;
}

function Picker({ label, input, upload, folders = false }: PickerProps) {
  return (
    <input
      ref={input}
      type="file"
      multiple
      hidden
      aria-label={label}
      {...(folders && { webkitdirectory: "" })}
      onChange={(event) => {
        upload(chosenFiles(event.target.files));
        event.target.value = "";
      }}
    />
  );
}
