// `import type {} from "virtarium/react"`, once in a project: the JSX of React 19 knows `<virtarium-vm>`.

import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { MachineDescription, VirtariumEvents, VirtariumVm } from "./element.js";

/** Properties, which is what React 19 sets: `kernelAppend` and not `append`, which is a method of every element. */
export interface VirtariumVmProps {
  src?: string | URL;
  machine?: MachineDescription;
  memory?: string | number;
  cpus?: string | number;
  kernelAppend?: string;
  persist?: string | null;
  label?: string;
  workerSrc?: string | URL;
  wasmSrc?: string | URL;
  autostart?: boolean;
  screenreader?: boolean;
  readonly?: boolean;
  multiple?: boolean;
  cols?: number;
  rows?: number;
  theme?: VirtariumVm["theme"];
  controls?: VirtariumVm["controls"];
  keybar?: VirtariumVm["keybar"];
  loading?: VirtariumVm["loading"];
}

/** As `onvm-ready={({ detail }) => …}`. */
export type VirtariumVmHandlers = { [K in keyof VirtariumEvents as `on${K}`]?: (event: VirtariumEvents[K]) => void };

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "virtarium-vm": DetailedHTMLProps<HTMLAttributes<VirtariumVm>, VirtariumVm> & VirtariumVmProps & VirtariumVmHandlers;
    }
  }
}
