import type { ReactNode } from "react";

interface Props {
  heading: string;
  error: string;
  children: ReactNode;
}

/** The pages before one is signed in. */
export function Entrance({ heading, error, children }: Props) {
  return (
    <main id="main" className="entrance">
      <p className="mark">pneumoscope</p>
      <h1>{heading}</h1>
      {error && (
        <p role="alert" className="problem">
          {error}
        </p>
      )}
      {children}
      <p className="small">
        A second opinion by software on chest radiographs: not a diagnosis, and not a medical
        device.
      </p>
    </main>
  );
}
