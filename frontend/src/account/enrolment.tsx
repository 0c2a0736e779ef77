import { useEffect, useState } from "react";
import type { Secret } from "../api/types.ts";
import { submitting } from "../shell/form.ts";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";

interface Props {
  secret: Secret;
  submit: (form: FormData) => void;
}

/** The secret for an authenticator app, and a first code of it. */
export function Enrolment({ secret, submit }: Props) {
  const picture = usePicture(secret.picture);
  return (
    <form onSubmit={submitting(submit)}>
      <p>Take a picture of this with your authenticator app, then type the code that it shows.</p>
      {picture && <img src={picture} alt="The secret as a QR code" className="qr" />}
      <p className="small">
        Without a camera, type this secret (TOTP, 6 digits, 30 seconds):{" "}
        <code>{secret.secret}</code>
      </p>
      <SecondFactorCode label="Code that the app shows" />
      <button type="submit" className="main">
        Confirm
      </button>
    </form>
  );
}

/** An address of the picture: the page's policy lets it show no other than blobs of its own. */
function usePicture(svg: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [svg]);
  return url;
}
