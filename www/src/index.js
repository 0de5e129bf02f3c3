export { PROTOCOL } from "./protocol.js";
