import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

export default defineConfig({
  plugins: [stylesByScript()],
  build: {
    outDir: "../src/pneumoscope/clinic/web",
    emptyOutDir: true,
    // The page's Content-Security-Policy lets in files of this server alone, no data: addresses.
    assetsInlineLimit: 0,
    license: { fileName: "licences.md" }, // of what is bundled
    // The viewer, with Cornerstone3D in it, is loaded when a study is opened.
    chunkSizeWarningLimit: 4000,
  },
  resolve: {
    alias: {
      xmlbuilder2: fileURLToPath(new URL("src/viewer/xmlbuilder2-stub.ts", import.meta.url)),
    },
  },
  server: { proxy: { "/v1": "http://127.0.0.1:8000" } },
});

/**
 * Let Cornerstone3D style its texts by script: the page's Content-Security-Policy takes no style
 * attributes.
 */
function stylesByScript(): Plugin {
  const attribute = "textElement.setAttribute('style', combinedStyle)";
  return {
    name: "styles by script",
    transform(code, id) {
      if (!id.endsWith("/drawingSvg/drawTextBox.js")) {
        return null;
      }
      if (!code.includes(attribute)) {
        throw new Error(`${id} has changed; see whether it still sets a style attribute`);
      }
      return code.replace(attribute, "textElement.style.cssText = combinedStyle");
    },
  };
}
