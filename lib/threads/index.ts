export { ReconnectingCaller } from './reconnecting-caller';
export { type Caller, callerOf, type Methods, onSignal, type Port, serve, signal } from './remote-calls';
