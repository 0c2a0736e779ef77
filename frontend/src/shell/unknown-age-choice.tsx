import type { ComponentProps, ReactNode } from "react";
import type { UnknownAge } from "../api/schema.d.ts";

const CHOICES: Record<UnknownAge, string> = {
  ask: "do not read, ask for the age",
  children: "read with the network for children",
  adults: "read with the network for adults",
};

/** The choice of what happens to radiographs of patients of unknown age. */
export function UnknownAgeChoice({
  label,
  ...props
}: ComponentProps<"select"> & { label: ReactNode }) {
  return (
    <label className="unknown-age">
      {label}{" "}
      <select {...props}>
        {Object.entries(CHOICES).map(([value, name]) => (
          <option key={value} value={value}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
