import type { ReactNode } from "react";
import { ErrorMessage } from "../shell/error-message.tsx";

interface Props {
  heading: string;
  error: string;
  children: ReactNode;
}

/** Layout of the pages that are shown while nobody is signed in. */
export function SignedOutPage({ heading, error, children }: Props) {
  return (
    <main id="main" className="signed-out">
      <p className="brand">pneumoscope</p>
      <h1>{heading}</h1>
      <ErrorMessage error={error} />
      {children}
      <p className="small">
        A second opinion by software on chest radiographs: not a diagnosis, and not a medical
        device.
      </p>
    </main>
  );
}
