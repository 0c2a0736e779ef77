import type { Study } from "../api/schema.d.ts";
import { formatTime, studyTime } from "../shell/format.ts";
import type { Tool } from "../viewer/cornerstone.ts";

interface Props {
  tool: Tool;
  chooseTool: (tool: Tool) => void;
  inverted: boolean;
  invert: () => void;
  reset: () => void;
  heatMapShown: boolean;
  heatMapAvailable: boolean;
  toggleHeatMap: () => void;
  opacity: number;
  setOpacity: (opacity: number) => void;
  priors: Study[];
  prior: Study | null;
  compare: (prior: Study | null) => void;
}

const TOOLS: [Tool, string, string][] = [
  ["window", "Window", "w"],
  ["zoom", "Zoom", "z"],
  ["pan", "Pan", "p"],
];

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
      <div className="group">
        <button type="button" aria-pressed={props.inverted} onClick={props.invert}>
          Invert <kbd>i</kbd>
        </button>
        <button type="button" onClick={props.reset}>
          Reset <kbd>r</kbd>
        </button>
      </div>
      {props.heatMapAvailable && <HeatMapTools {...props} />}
      <PriorChoice {...props} />
    </fieldset>
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

function PriorChoice({ priors, prior, compare }: Pick<Props, "priors" | "prior" | "compare">) {
  return (
    <label className="compare">
      Compare with prior
      <select
        value={prior?.id ?? ""}
        disabled={priors.length === 0}
        onChange={(event) => compare(priors.find(({ id }) => id === event.target.value) ?? null)}
      >
        <option value="">{priors.length === 0 ? "no prior study" : "none"}</option>
        {priors.map((study) => (
          <option key={study.id} value={study.id}>
            {formatTime(studyTime(study))}
          </option>
        ))}
      </select>
    </label>
  );
}
