// The elements of a DICOM file, to be searched.

import { useEffect, useRef, useState } from "react";
import { api, unwrap } from "../api/client.ts";
import type { HeaderElement, Image } from "../api/schema.d.ts";
import { ErrorMessage } from "../shell/error-message.tsx";
import { useRequest } from "../shell/use-request.ts";

export function hasHeader({ media_type }: Image): boolean {
  return media_type === "application/dicom";
}

export function DicomHeader({ image, close }: { image: Image; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const { value: header, error } = useRequest(
    () =>
      unwrap(api.GET("/v1/images/{image_id}/header", { params: { path: { image_id: image.id } } })),
    [image.id],
  );
  useEffect(() => dialog.current?.showModal(), []);
  const elements = header?.elements.filter((element) => contains(element, text)) ?? [];
  return (
    <dialog
      ref={dialog}
      className="dicom-header"
      aria-labelledby="dicom-header-heading"
      onClose={close}
    >
      <h2 id="dicom-header-heading">
        DICOM header of <bdi>{image.name}</bdi>
      </h2>
      <ErrorMessage error={error} />
      <label>
        Search
        <input
          type="search"
          value={text}
          autoComplete="off"
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      {header && (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: scrolled by the keyboard */}
          <section className="scrolled" tabIndex={0} aria-label="Elements">
            <table>
              <thead>
                <tr>
                  <th scope="col">Tag</th>
                  <th scope="col">Name</th>
                  <th scope="col">VR</th>
                  <th scope="col">Value</th>
                </tr>
              </thead>
              <tbody>
                {elements.map(({ tag, name, vr, value, depth }, index) => (
                  <tr key={index}>
                    <td>
                      {"\u203a ".repeat(depth)}
                      {tag}
                    </td>
                    <td>{name}</td>
                    <td>{vr}</td>
                    <td>
                      <bdi>{value}</bdi>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
          <p className="small" role="status">
            {elements.length} of {header.elements.length} elements
            {header.complete ? "." : "; the file has more, which are not shown."} Long values are
            cut; pixels are left out.
          </p>
        </>
      )}
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  );
}

function contains({ tag, name, value }: HeaderElement, text: string): boolean {
  const wanted = text.trim().toLocaleLowerCase();
  return [tag, tag.replace(/\W/g, ""), name, value].some((part) =>
    part.toLocaleLowerCase().includes(wanted),
  );
}
