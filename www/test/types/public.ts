// Holds the declarations that are published against the sources: `tsc` fails where they part.

import type * as declared from "../../types/index.js";
import type * as element from "../../types/element.js";
import * as source from "../../src/index.js";
import type { VirtariumVm } from "../../src/element/vm-element.js";
import type { Accessors } from "../../src/element/vm-element.js";

type Public<T> = { [K in keyof T as K extends "addEventListener" | "removeEventListener" ? never : K]: T[K] };
type Covers<Declared, Source extends Declared> = Source;

// Every member that is declared is there, with a type that fits.
export type VmFits = Covers<Public<Omit<declared.Vm, "consoles" | "console" | typeof Symbol.asyncDispose>>, Public<source.Vm>>;
export type ConsoleFits = Covers<Public<declared.VmConsole>, Public<source.VmConsole>>;
export type ErrorFits = Covers<Public<declared.VmError>, Public<source.VmError>>;
export type ElementFits = Covers<
  Omit<element.VirtariumVm, keyof HTMLElement | "vm" | "machine" | "error" | "send" | "expect" | "run" | "upload" | "download">,
  VirtariumVm & Accessors>;
export type CreateFits = Covers<(options: declared.VmOptions) => Promise<unknown>, typeof source.Vm.create>;
export type ResolveFits = Covers<typeof declared.resolveMachine, typeof source.resolveMachine>;
export type CodesFit = [Covers<declared.ErrorCode, (typeof source.ERROR_CODES)[number]>, Covers<(typeof source.ERROR_CODES)[number], declared.ErrorCode>];

// And nothing that is there is left out.
export type VmMissing = Exclude<keyof source.Vm, keyof declared.Vm>;
export type ElementMissing = Exclude<keyof (VirtariumVm & Accessors), keyof element.VirtariumVm | "connectedCallback" | "disconnectedCallback" | "connectedMoveCallback" | "adoptedCallback" | "attributeChangedCallback">;
export const nothing: [[VmMissing] extends [never] ? true : VmMissing, [ElementMissing] extends [never] ? true : ElementMissing] = [true, true];
