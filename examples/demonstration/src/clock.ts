/** The system's clock, which all processes share, in finer steps than Date.now(). */
export function clockMs(): number {
  return performance.timeOrigin + performance.now();
}
