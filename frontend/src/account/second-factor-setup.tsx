import { useEffect, useState } from "react";
import type { SecondFactorSetup as Setup } from "../api/schema.d.ts";
import { handleSubmit } from "../shell/form.ts";
import { SecondFactorCode } from "../shell/second-factor-code.tsx";

interface Props {
  setup: Setup;
  submit: (content: FormData) => void;
}

/** The secret for an authenticator app, and a field for its first code. */
export function SecondFactorSetup({ setup, submit }: Props) {
  const qrCode = useBlobUrl(setup.picture);
  return (
    <form onSubmit={handleSubmit(submit)}>
      <p>Scan this QR code with your authenticator app, then type the code that the app shows.</p>
      {qrCode && <img src={qrCode} alt="Secret as a QR code" className="qr" />}
      <p className="small">
        Without a camera, type this secret into the app (TOTP, 6 digits, 30 seconds):{" "}
        <code>{setup.secret}</code>
      </p>
      <SecondFactorCode label="Code of the app" />
      <button type="submit" className="main">
        Turn on
      </button>
    </form>
  );
}

/** Return a blob URL of an SVG: the page's policy allows no data: URLs. */
function useBlobUrl(svg: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const blobUrl = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    setUrl(blobUrl);
    return () => URL.revokeObjectURL(blobUrl);
  }, [svg]);
  return url;
}
