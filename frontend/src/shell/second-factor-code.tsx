import { useEffect, useRef } from "react";

/** Where a code of the second factor is typed, as soon as it is asked for. */
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
