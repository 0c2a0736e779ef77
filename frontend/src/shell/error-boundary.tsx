import { Component, type ReactNode } from "react";
import { ErrorMessage } from "./error-message.tsx";

/** Shows an error in the place of a page that failed. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { message: string | null }> {
  override state = { message: null };

  static getDerivedStateFromError(error: Error) {
    return { message: error.message };
  }

  override render() {
    if (this.state.message === null) {
      return this.props.children;
    }
    return (
      <main id="main" className="narrow">
        <h1>This page failed</h1>
        <ErrorMessage error={this.state.message} />
        <p>
          Reload the page. If it fails again, tell the administrator of this server. Nothing that
          was saved is lost.
        </p>
      </main>
    );
  }
}
