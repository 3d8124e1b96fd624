/** The processor time of this process between resume() and pause(): what it costs to produce, without the waiting. */
export class ProcessorMeter {
  #spentUs = 0;
  #resumedUs = 0;

  get spentNs(): number {
    return this.#spentUs * 1000;
  }

  resume(): void {
    this.#resumedUs = processorUs();
  }

  pause(): void {
    this.#spentUs += processorUs() - this.#resumedUs;
  }

  /** Forgets what was spent until now, while it is running. */
  restart(): void {
    this.#spentUs = 0;
    this.resume();
  }
}

function processorUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
