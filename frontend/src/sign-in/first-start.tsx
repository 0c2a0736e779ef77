// The first start: with the link that the server printed, the first administrator is created.

import { useState } from "react";
import { api } from "../api/client.ts";
import type { UnknownAge } from "../api/schema.d.ts";
import { handleSubmit, textOf } from "../shell/form.ts";
import { NewPassword, newPassword } from "../shell/password.tsx";
import { UnknownAgeChoice } from "../shell/unknown-age-choice.tsx";
import { useLinkToken } from "./link-token.ts";
import { SignedOutPage } from "./signed-out-page.tsx";

export function FirstStart({ done }: { done: () => void }) {
  const token = useLinkToken();
  const [error, setError] = useState("");

  async function submit(content: FormData) {
    try {
      await api.POST("/v1/setup", {
        body: {
          token: token || textOf(content, "token"),
          name: textOf(content, "name"),
          password: newPassword(content),
          unknown_age: textOf(content, "unknown_age") as UnknownAge,
        },
      });
      done();
    } catch (problem) {
      setError((problem as Error).message);
    }
  }

  return (
    <SignedOutPage heading="First start" error={error}>
      <form onSubmit={handleSubmit(submit)}>
        <p>Create the first administrator, who can then create the accounts of all others.</p>
        {token === "" && (
          <label>
            Token printed by the server
            <input name="token" required autoComplete="off" />
          </label>
        )}
        <label>
          Name
          <input name="name" required autoComplete="username" maxLength={100} />
        </label>
        <NewPassword />
        <UnknownAgeChoice
          label="Radiographs of patients of unknown age"
          name="unknown_age"
          defaultValue="ask"
        />
        <p className="small">
          JPEG, PNG and TIFF files do not say how old the patient is, and the age decides which
          network reads. Administrators can change this later.
        </p>
        <button type="submit" className="main">
          Create administrator
        </button>
      </form>
    </SignedOutPage>
  );
}
