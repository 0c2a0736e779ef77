import type { Study } from "../api/types.ts";
import { moment, taken } from "../shell/format.ts";
import type { Tool } from "../viewer/cornerstone.ts";

interface Props {
  tool: Tool;
  choose: (tool: Tool) => void;
  inverted: boolean;
  invert: () => void;
  reset: () => void;
  mapped: boolean;
  mapAvailable: boolean;
  map: () => void;
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
            onClick={() => props.choose(tool)}
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
      <div className="group">
        <button
          type="button"
          aria-pressed={props.mapped}
          disabled={!props.mapAvailable}
          onClick={props.map}
        >
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
            disabled={!props.mapped}
            onChange={(event) => props.setOpacity(Number(event.target.value))}
          />
        </label>
      </div>
      <Compare {...props} />
    </fieldset>
  );
}

function Compare({ priors, prior, compare }: Pick<Props, "priors" | "prior" | "compare">) {
  return (
    <label className="compare">
      Compare
      <select
        value={prior?.id ?? ""}
        disabled={priors.length === 0}
        onChange={(event) => compare(priors.find((one) => one.id === event.target.value) ?? null)}
      >
        <option value="">{priors.length === 0 ? "no prior" : "with a prior"}</option>
        {priors.map((one) => (
          <option key={one.id} value={one.id}>
            {moment(taken(one))}
          </option>
        ))}
      </select>
    </label>
  );
}
