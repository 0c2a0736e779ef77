import { Component, type ReactNode } from "react";

/** Says that a page failed, instead of showing nothing. */
export class Failure extends Component<{ children: ReactNode }, { message: string | null }> {
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
        <p role="alert" className="problem">
          {this.state.message}
        </p>
        <p>
          Load it again; if it fails once more, please tell whoever keeps the server. Nothing that
          was saved is lost.
        </p>
      </main>
    );
  }
}
