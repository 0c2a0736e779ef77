// The upload page: files and folders are chosen or dropped, and the outcome of each file is shown.

import { type RefObject, useRef, useState } from "react";
import type { RequestMetadata } from "../api/schema.d.ts";
import { useKeys } from "../shell/keyboard.tsx";
import { usePageTitle } from "../shell/use-page-title.ts";
import "../style/upload.css";
import { type CollectedFile, chosenFiles, droppedFiles, isPicture } from "./collect-files.ts";
import { ConfirmPatient } from "./confirm-patient.tsx";
import { Outcomes } from "./outcomes.tsx";
import { clearPatient, PatientFields, readPatient } from "./patient-fields.tsx";
import { useFileDrop } from "./use-file-drop.ts";
import { useUpload } from "./use-upload.ts";

/** Files to be sent for one patient, once a person has looked at whose they are. */
interface Batch {
  files: CollectedFile[];
  metadata: RequestMetadata;
  site: string;
}

export default function Upload() {
  usePageTitle("Upload");
  const { items, add } = useUpload();
  const [status, setStatus] = useState("");
  const [batch, setBatch] = useState<Batch | null>(null);
  const filePicker = useRef<HTMLInputElement>(null);
  const folderPicker = useRef<HTMLInputElement>(null);
  const patientForm = useRef<HTMLFormElement>(null);
  const isCollecting = useRef(false);

  /** Collect files for the patient that the form names now, even if it takes longer. */
  async function collect(collecting: CollectedFile[] | Promise<CollectedFile[]>) {
    if (patientForm.current?.reportValidity() === false) {
      setStatus("Nothing was uploaded: correct the patient's fields first.");
      return;
    }
    if (isCollecting.current) {
      setStatus("Nothing more was taken: wait until the first files are collected.");
      return;
    }
    isCollecting.current = true;
    const { metadata, site } = readPatient(patientForm.current);
    setStatus("Collecting files"); // a folder of thousands takes seconds
    const files = await Promise.resolve(collecting).finally(() => {
      isCollecting.current = false;
    });
    setStatus(files.length === 0 ? "No files found." : "");
    if (files.length === 0) {
      return;
    }
    if (files.some(({ path }) => isPicture(path)) || Object.keys(metadata).length > 0) {
      setBatch({ files, metadata, site });
    } else {
      void add(files, metadata, site); // DICOM files name their patients themselves
    }
  }

  function send({ files, metadata, site }: Batch) {
    clearPatient(patientForm.current);
    setBatch(null);
    void add(files, metadata, site);
  }

  const isDraggedOver = useFileDrop((items) => batch === null && void collect(droppedFiles(items)));
  const isChoosing = batch === null;
  const chooseFiles = () => isChoosing && filePicker.current?.click();
  const chooseFolder = () => isChoosing && folderPicker.current?.click();
  useKeys("Upload", [
    { keys: ["u"], description: "choose files", action: chooseFiles },
    { keys: ["f"], description: "choose a folder", action: chooseFolder },
  ]);

  return (
    <main id="main" tabIndex={-1} className="upload">
      <h1>Upload</h1>
      <PatientFields form={patientForm} hidden={!isChoosing} />
      {batch && (
        <ConfirmPatient {...batch} send={() => send(batch)} cancel={() => setBatch(null)} />
      )}
      <div hidden={!isChoosing} className={isDraggedOver ? "drop dragged-over" : "drop"}>
        <h2>2. Files</h2>
        <p>Drop radiographs or whole folders here: DICOM, JPEG, PNG or TIFF, in any number</p>
        <div className="choose">
          <button type="button" className="main" onClick={chooseFiles}>
            Choose files <kbd>u</kbd>
          </button>
          <button type="button" onClick={chooseFolder}>
            Choose a folder <kbd>f</kbd>
          </button>
        </div>
        <Picker label="Files" input={filePicker} upload={collect} />
        <Picker label="Folder" input={folderPicker} upload={collect} folders />
        <p role="status">{status}</p>
      </div>
      <Outcomes items={items} />
    </main>
  );
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
