import type { Api } from './node-red';

/** Runs `start` once all flows run; returns how to take that back. */
export type WhenFlowsStarted = (start: () => void) => () => void;

/**
 * Nodes are made one after the other: what one sends before the last is made may reach nobody. One listener serves all
 * nodes of a type, since Node-RED's emitter warns of a leak at eleven.
 */
export function flowsStarted(RED: Api): WhenFlowsStarted {
  const waiting = new Set<() => void>();
  const onStarted = () => {
    RED.events.removeListener('flows:started', onStarted);
    const starts = [...waiting];
    waiting.clear();
    for (const start of starts) start();
  };
  return (start) => {
    if (waiting.size === 0) RED.events.on('flows:started', onStarted);
    waiting.add(start);
    return () => {
      if (waiting.delete(start) && waiting.size === 0) RED.events.removeListener('flows:started', onStarted);
    };
  };
}
