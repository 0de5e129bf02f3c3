export { Vm } from "./vm/vm.js";
export { VmError } from "./vm/errors.js";
export { VmConsole } from "./vm/console.js";
export { resolveMachine } from "./vm/machine.js";
export { ERROR_CODES, PROTOCOL } from "./protocol.js";
