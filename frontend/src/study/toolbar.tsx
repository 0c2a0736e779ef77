import type { PriorStudy } from "../api/schema.d.ts";
import { studyTime } from "../shell/format.ts";
import type { Tool } from "../viewer/cornerstone.ts";
import type { Act, ViewState } from "../viewer/viewer.tsx";
import type { Preset } from "../viewer/window.ts";
import { COMMANDS, type Command, TOOLS, toggleFullScreen } from "./commands.ts";

interface Props {
  tool: Tool;
  chooseTool: (tool: Tool) => void;
  /** State of the radiograph that is used; undefined until it is shown. */
  view: ViewState | undefined;
  act: Act;
  reset: () => void;
  showPreset: (preset: Preset) => void;
  heatMapShown: boolean;
  heatMapAvailable: boolean;
  toggleHeatMap: () => void;
  opacity: number;
  setOpacity: (opacity: number) => void;
  /** Undefined until they are known. */
  priors: PriorStudy[] | undefined;
  priorsError: string;
  prior: PriorStudy | null;
  compare: (prior: PriorStudy | null) => void;
  isLinked: boolean;
  toggleLink: () => void;
  hasHeader: boolean;
  openHeader: () => void;
}

export function Toolbar(props: Props) {
  return (
    <fieldset className="toolbar" aria-label="View">
      <div className="group">
        {TOOLS.map(([tool, name, key]) => (
          <button
            key={tool}
            type="button"
            aria-pressed={props.tool === tool}
            onClick={() => props.chooseTool(tool)}
          >
            {name} <kbd>{key}</kbd>
          </button>
        ))}
      </div>
      <ViewTools {...props} />
      <WindowChoice {...props} />
      {props.heatMapAvailable && <HeatMapTools {...props} />}
      <div className="group">
        <button type="button" onClick={toggleFullScreen}>
          Full screen <kbd>s</kbd>
        </button>
        <button type="button" onClick={() => print()}>
          Print <kbd>P</kbd>
        </button>
        <button
          type="button"
          disabled={!props.hasHeader}
          title={props.hasHeader ? undefined : "Not a DICOM file: it has no header"}
          onClick={props.openHeader}
        >
          DICOM header <kbd>e</kbd>
        </button>
      </div>
      <PriorChoice {...props} />
    </fieldset>
  );
}

function ViewTools({ view, act, reset }: Pick<Props, "view" | "act" | "reset">) {
  const { fit, trueSize, left, right, flip, invert } = COMMANDS;
  const button = ({ name, key, action }: Command, isPressed?: boolean) => (
    <button
      key={key}
      type="button"
      aria-pressed={isPressed}
      disabled={view === undefined}
      onClick={() => act(action)}
    >
      {name} <kbd>{key}</kbd>
    </button>
  );
  return (
    <div className="group">
      {[fit, trueSize, left, right].map((command) => button(command))}
      {button(flip, view?.flipped ?? false)}
      {button(invert, view?.inverted ?? false)}
      <button type="button" disabled={view === undefined} onClick={reset}>
        Reset <kbd>r</kbd>
      </button>
    </div>
  );
}

function WindowChoice({ view, showPreset }: Pick<Props, "view" | "showPreset">) {
  const presets = view?.presets ?? [];
  return (
    <label className="presets">
      Preset <kbd>v</kbd>
      <select
        value={view?.preset ?? -1}
        disabled={presets.length === 0}
        onChange={(event) => {
          const preset = presets[Number(event.target.value)];
          if (preset) {
            showPreset(preset);
          }
        }}
      >
        <option value={-1} disabled>
          {view ? "chosen by hand" : "no image"}
        </option>
        {presets.map(({ name }, index) => (
          <option key={index} value={index}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function HeatMapTools(props: Props) {
  return (
    <div className="group">
      <button type="button" aria-pressed={props.heatMapShown} onClick={props.toggleHeatMap}>
        Heat map <kbd>h</kbd>
      </button>
      <label className="opacity">
        Opacity
        <input
          type="range"
          min={0}
          max={1}
          step={0.05}
          value={props.opacity}
          disabled={!props.heatMapShown}
          onChange={(event) => props.setOpacity(Number(event.target.value))}
        />
      </label>
    </div>
  );
}

function PriorChoice(props: Props) {
  const { priors = [], prior, compare, isLinked, toggleLink } = props;
  return (
    <div className="group compare">
      {prior && (
        <button type="button" aria-pressed={isLinked} onClick={toggleLink}>
          Link zoom and pan <kbd>y</kbd>
        </button>
      )}
      <label>
        Compare with prior
        <select
          value={prior?.id ?? ""}
          disabled={priors.length === 0}
          onChange={(event) => compare(priors.find(({ id }) => id === event.target.value) ?? null)}
        >
          <option value="">{priors.length === 0 ? whyNoPrior(props) : "none"}</option>
          {priors.map((study) => (
            <option key={study.id} value={study.id}>
              {studyTime(study)}
              {study.caution && " (check the patient)"}
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** "No prior study" is a statement, which is made only of an answer. */
function whyNoPrior({ priors, priorsError }: Props): string {
  if (priors !== undefined) {
    return "no prior study";
  }
  return priorsError ? "priors could not be loaded" : "loading";
}
