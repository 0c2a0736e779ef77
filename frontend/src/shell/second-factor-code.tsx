import { useEffect, useRef } from "react";

/** A field for a code of the second factor, which takes the focus when it appears. */
export function SecondFactorCode({ label }: { label: string }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <label>
      {label}
      <input
        ref={input}
        name="code"
        required
        maxLength={64}
        autoComplete="one-time-code"
        autoCapitalize="none"
        spellCheck={false}
      />
    </label>
  );
}
